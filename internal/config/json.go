package config

// JSON reads one document of YAML, or of JSON, and writes it as JSON, numbers as they
// are spelled in it. At tells the line and the column, from 1, in which what begins at
// a byte of the JSON was written. The error is of type [Problems]; besides what is no
// YAML it tells of account ids without quotes, which a reader of YAML takes for
// numbers.
func JSON(name string, text []byte) (json []byte, at func(offset int) (line, column int), err error) {
	doc, problem := readYAML(name, text)
	if problem != nil {
		return nil, nil, Problems{*problem}
	}
	if doc.root == nil {
		return nil, nil, Problems{{File: name, Text: "there is nothing in it"}}
	}
	d := newDecoder(name, doc, Kinds{})
	w := jsonWriter{d: d}
	w.value(doc.root, "")
	if len(d.problems) > 0 {
		return nil, nil, d.problems.inOrder()
	}
	if w.bad {
		return nil, nil, Problems{{File: name, Text: "it cannot be read"}}
	}
	p := eventPattern{text: w.out, marks: w.marks}
	return w.out, func(offset int) (line, column int) {
		s := p.spot(offset)
		return s.line, s.column
	}, nil
}
