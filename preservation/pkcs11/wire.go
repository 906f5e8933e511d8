package pkcs11

import "crypto"

// ChildArg as the first argument makes the program the child that loads a module.
const ChildArg = "pkcs11-child"

// Config names a key. PIN is the user's.
type Config struct {
	Module string // path of the vendor's library
	Token  string // label of the token
	Key    string // label of the key
	PIN    string
}

// opened answers a Config, as one line of JSON.
type opened struct {
	Error       string `json:"error,omitempty"`
	PIN         bool   `json:"pin,omitempty"`         // the error is about the PIN
	Public      []byte `json:"public,omitempty"`      // PKIX, DER
	Certificate []byte `json:"certificate,omitempty"` // DER; none when the token has none for the key
	OnlyPSS     bool   `json:"only_pss,omitempty"`
}

// query asks for a signature, signed answers it.
type query struct {
	Digest []byte      `json:"digest"`
	Hash   crypto.Hash `json:"hash"`
	PSS    bool        `json:"pss,omitempty"` // with a salt of the digest's length
}

type signed struct {
	Error     string `json:"error,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}
