module geogate/clients/go

go 1.24
