package xades

import "slices"

// scope is which prefixes of namespaces hold at a place of a document. A prefix of no
// namespace has the URI "".
type scope struct {
	uris   map[string]string
	before []declaration // what the latest ones hid
}

func (s *scope) set(prefix, uri string) {
	if s.uris == nil {
		s.uris = make(map[string]string)
	}
	s.before = append(s.before, declaration{prefix, s.uris[prefix]})
	s.uris[prefix] = uri
}

// back takes the latest n away.
func (s *scope) back(n int) {
	for range n {
		last := s.before[len(s.before)-1]
		s.before = s.before[:len(s.before)-1]
		s.uris[last.prefix] = last.uri
		if last.uri == "" {
			delete(s.uris, last.prefix)
		}
	}
}

func (s *scope) enter(n *node) {
	for _, d := range n.declared {
		s.set(d.prefix, d.uri)
	}
}

func (s *scope) leave(n *node) { s.back(len(n.declared)) }

// lookup returns the namespace of a prefix; there is always one of none.
func (s *scope) lookup(prefix string) (uri string, ok bool) {
	if prefix == "xml" {
		return xmlSpace, true
	}
	uri = s.uris[prefix]
	return uri, uri != "" || prefix == ""
}

// scope is that of an element.
func (n *node) scope() (s scope) {
	var around []*node
	for ; n != nil; n = n.parent {
		around = append(around, n)
	}
	for _, n := range slices.Backward(around) {
		s.enter(n)
	}
	return s
}
