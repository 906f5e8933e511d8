// Package fileplan brings classifications and retention rules into and out of
// the forms in which offices pass them on: CSV as a spreadsheet writes it, and
// for classifications the messages of xdomea that carry an Aktenplan. It knows
// forms only; whether a plan is sound and who may put it into force is for
// package retention to say.
//
// The CSV is UTF-8 with semicolons and a heading. A file without the column of a
// property leaves that property of the classes, or rules, as it is.
package fileplan
