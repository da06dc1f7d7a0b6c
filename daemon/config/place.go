package config

// place is where a key, a table or an item of an array stands in its file. The
// TOML library keeps positions to itself, so the files are scanned for them.
// Every method works on nil, as on a place without children.
type place struct {
	line  int
	keys  map[string]*place // of a table
	items []*place          // of an array
}

// key is the place of a key, or this place where there is no such key.
func (p *place) key(name string) *place {
	if p != nil && p.keys[name] != nil {
		return p.keys[name]
	}
	return p
}

// item is the place of an array's item, or this place where there is none.
func (p *place) item(i int) *place {
	if p != nil && i < len(p.items) {
		return p.items[i]
	}
	return p
}

// at is the line, 0 when it is not known.
func (p *place) at() int {
	if p == nil {
		return 0
	}
	return p.line
}

// enter goes from a table to one of its keys, which it makes when it is new. An
// array of tables stands for its last table.
func (p *place) enter(name string, line int) *place {
	if p.keys == nil {
		p.keys = map[string]*place{}
	}
	child := p.keys[name]
	if child == nil {
		child = &place{line: line}
		p.keys[name] = child
	}
	return child
}

// last is the table that the next header or key goes on in.
func (p *place) last() *place {
	if n := len(p.items); n > 0 {
		return p.items[n-1]
	}
	return p
}

// walk enters all but the last of a dotted name.
func (p *place) walk(name []string, line int) *place {
	for _, part := range name[:len(name)-1] {
		p = p.enter(part, line).last()
	}
	return p
}
