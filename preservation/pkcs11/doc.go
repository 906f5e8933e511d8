// Package pkcs11 signs with keys that live in hardware modules and tokens, by the
// interface of PKCS #11 (OASIS, version 2.40).
//
// The vendor's module is foreign code in the address space of whoever loads it. So
// a process of its own loads it: this program, called with ChildArg. Should that
// end or hang, signing fails, and the next signature starts it again. RSA keys sign
// by PKCS #1 v1.5 or RSASSA-PSS as they are asked, EC keys by ECDSA.
//
// Modules can be loaded only where the program was built with cgo.
package pkcs11

import "errors"

// ErrSetup: module, token, PIN or key are not as configured.
var ErrSetup = errors.New("PKCS#11 key cannot be used")
