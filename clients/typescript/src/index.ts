export { Geogate, type Settings } from "./client.js";
export { GeogateError } from "./errors.js";
export type { Answer, Options, Path, Problem } from "./types.js";
export type { StreamEvent, StreamOptions } from "./stream.js";
export type { components, operations, paths } from "./schema.js";
