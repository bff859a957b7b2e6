// Reads an OpenAPI description as generators of clients do, and fails where it
// is not valid:
//
//     node validate.mjs openapi.yaml
import SwaggerParser from '@apidevtools/swagger-parser';

await SwaggerParser.validate(process.argv[2]);
