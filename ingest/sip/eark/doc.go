// Package eark reads submission packages of the E-ARK specifications: a SIP 2.x
// (DILCIS E-ARK SIP) in the layout of the common specification CSIP 2.x.
//
// The package is taken when its METS documents account for it: every file they
// name is there with its size and checksum. Files that no METS names are kept
// and noted, since CSIP58 only recommends to list them. What stands in a METS is
// cited by the numbers of the requirements (CSIP71, SIP4).
package eark
