// Package api is the archive's HTTP interface: the routes of openapi.yaml,
// who may call them, and how their errors are answered.
//
// The document openapi.yaml comes first. Types and the binding of parameters
// are generated from it, the table in server.go says who may call each route,
// and every action has a file of its own. A test walks both and checks each
// answer against the document.
//
// Four things hold for every route. The tenant comes from the token and from
// nothing else, so that another tenant's data do not exist here. Input is
// strict: unknown fields and parameters are refused and every fault names its
// field. Errors are problem details that one function makes (problem.go). And
// whatever reads content or changes anything is in the audit log before it is
// answered.
package api

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml openapi.yaml
//go:generate sh -c "sha256sum openapi.yaml oapi-codegen.yaml openapi.gen.go > openapi.sum"
