// Package ui is the pages on which people work: archivists, records officers,
// auditors and operators. It is HTML made here, works without scripts, and with them
// only sooner.
//
// A page has no data and no permissions of its own. It asks the interface (package
// api) as the person who is logged in, by the same routes that programs use, and shows
// what came; what the interface refuses is a page with the same status. So there is one
// set of rules, and a menu shows what the interface permits.
//
// To add a page: a row in the table of ui.go, an action beside it that reads with
// visit.get and ends with visit.show, a template of the same name, and its words in
// text/de.yaml and text/en.yaml.
package ui
