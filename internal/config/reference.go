package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
	"github.com/tocsin-sec/tocsin/library"
)

// Reference is the page that tells of every key of the file, as Markdown. It is
// made of the structs that the file is decoded into.
func Reference(kinds Kinds) string {
	p := &page{kinds: kinds}
	p.line(intro)
	p.section("## The file", reflect.TypeFor[file]())
	p.section("### tls", reflect.TypeFor[TLS]())
	p.section("### heartbeat", reflect.TypeFor[heartbeat]())
	p.section("### sources", reflect.TypeFor[source]())
	p.kindsTable("sources", "collectors")
	p.section("### accounts", reflect.TypeFor[details]())
	p.section("### owners", reflect.TypeFor[owner]())
	p.line("Each has one of `account`, `ou` and `tag`.\n")
	p.section("### coverage", reflect.TypeFor[watched]())
	p.section("#### coverage.expect", reflect.TypeFor[wanted]())
	p.section("#### coverage.alert", reflect.TypeFor[darkness]())
	p.section("### rules", reflect.TypeFor[rule]())
	p.section("#### actions", reflect.TypeFor[action]())
	p.section("#### alert", reflect.TypeFor[outcome]())
	p.section("### alerts", reflect.TypeFor[life]())
	p.section("#### quiet", reflect.TypeFor[quiet]())
	p.section("### routes", reflect.TypeFor[route]())
	p.line("A route has `receivers`, `team`, `policy`, `drop` or `routes`, or it says something of the alert and leaves it to its owner.\n")
	p.alertFields()
	p.hidden()
	p.section("### inhibit", reflect.TypeFor[inhibition]())
	p.section("### teams", reflect.TypeFor[team]())
	p.section("### policies", reflect.TypeFor[policy]())
	p.section("#### steps", reflect.TypeFor[step]())
	p.section("#### window", reflect.TypeFor[window]())
	p.section("### schedules", reflect.TypeFor[schedule]())
	p.section("### people", reflect.TypeFor[person]())
	p.section("#### quiet hours", reflect.TypeFor[quietly]())
	p.section("#### contacts", reflect.TypeFor[contact]())
	p.section("### receivers", reflect.TypeFor[receiver]())
	p.kindsTable("receivers", "notifiers")
	p.section("### tests", reflect.TypeFor[trial]())
	p.section("#### expect", reflect.TypeFor[expectation]())
	p.line("## Kinds of sources\n")
	p.kindPages("collectors")
	p.line("## Kinds of receivers\n")
	p.kindPages("notifiers")
	p.shipped()
	return strings.TrimRight(p.out.String(), "\n") + "\n"
}

const intro = `<!-- Generated from the code. Do not edit: run the tests of internal/app with -update. -->

# Configuration reference

One YAML file, ` + "`tocsin.yml`" + `. It is read strictly: an unknown key, a value of the wrong type or a name that nothing
has is an error, and all errors are told at once, each with file, line and column. Top-level keys that begin with
` + "`x-`" + ` are not read, and have room for YAML anchors.

| written as | is |
| --- | --- |
| string | Text. Digits only have to be in quotes. ` + "`${env:NAME}`" + ` stands for an environment variable, ` + "`${file:/path}`" + ` for what is in a file, ` + "`$$`" + ` for a dollar sign. |
| secret | As a string; it is never shown. One that is written into the file itself is a warning. |
| integer, number, boolean | ` + "`8080`, `0.5`, `true`" + `; or a reference in quotes, ` + "`\"${env:PORT}\"`" + `. |
| duration | ` + "`15s`, `1h30m`, `7d`" + `; a day is 24 hours. |
| time | ` + "`2026-01-05T09:00:00+01:00`" + `. |
| updates | How often: ` + "UPDATES" + `. What gets worse than ever is told at once all the same. |
| level | One of LEVELS. |
| pattern | An [EventBridge event pattern](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html), as YAML, or as JSON in a string. |
| names | One name, or a list of them. |
| event | An event, as YAML, as JSON in a string, or as the path of a file. |
`

// hidden is what routes and receivers may keep from leaving.
func (p *page) hidden() {
	p.line("#### Fields that can be hidden\n")
	p.line("| field | is |\n| --- | --- |")
	for _, f := range disclosure.Fields() {
		p.line("| " + code(f.Name) + " | " + f.Doc + " |")
	}
	for _, g := range disclosure.Groups() {
		p.line("| " + code(g.Name) + " | " + g.Doc + " |")
	}
	p.line("")
}

type page struct {
	out   strings.Builder
	kinds Kinds
}

func (p *page) line(s string) {
	words := strings.NewReplacer("LEVELS", strings.Join(tocsin.Levels(), ", "), "UPDATES", strings.Join(tocsin.AllUpdates(), ", "))
	p.out.WriteString(words.Replace(s) + "\n")
}

// section is a heading and a table of the keys of a struct, those of structs
// within it by their path.
func (p *page) section(heading string, t reflect.Type) {
	p.line(heading + "\n")
	p.table(t)
}

func (p *page) table(t reflect.Type) {
	rows := rowsOf(t, "", 0)
	if len(rows) == 0 {
		return
	}
	p.line("| key | type | default | meaning |\n| --- | --- | --- | --- |")
	for _, r := range rows {
		p.line("| " + strings.Join(r[:], " | ") + " |")
	}
	p.line("")
}

func rowsOf(t reflect.Type, prefix string, depth int) [][4]string {
	if t.Kind() != reflect.Struct || depth > 4 {
		return nil
	}
	var rows [][4]string
	for _, f := range fieldsOf(t) {
		if f.typ == chosenType {
			rows = append(rows, [4]string{"*kind*", "settings", "required", "Exactly one of the kinds below, with its settings."})
			continue
		}
		fallback := ""
		switch {
		case f.required:
			fallback = "required"
		case f.fallback != "":
			fallback = code(f.fallback)
		}
		word, inner := typeWord(f.typ)
		rows = append(rows, [4]string{code(prefix + f.key), word, fallback, cell(f.doc)})
		if inner != nil && !named(inner) {
			next := prefix + f.key + "."
			if word != "settings" {
				next = prefix + f.key + "[]."
			}
			rows = append(rows, rowsOf(inner, next, depth+1)...)
		}
	}
	return rows
}

// named reports whether the struct has a section of its own.
func named(t reflect.Type) bool {
	return t.PkgPath() == reflect.TypeFor[file]().PkgPath()
}

// typeWord is what a type is called on the page, and the struct within it.
func typeWord(t reflect.Type) (word string, inner reflect.Type) {
	switch t {
	case secretType:
		return "secret", nil
	case durationType:
		return "duration", nil
	case reflect.TypeFor[tocsin.Level]():
		return "level", nil
	case reflect.TypeFor[tocsin.Updates]():
		return "updates", nil
	case timeType:
		return "time", nil
	case reflect.TypeFor[names](), reflect.TypeFor[oncall.Turn]():
		return "names", nil
	case reflect.TypeFor[sampleEvent]():
		return "event", nil
	case reflect.TypeFor[eventPattern]():
		return "pattern", nil
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return typeWord(t.Elem())
	case reflect.PointerTo(t).Implements(textType):
		return "string", nil
	case t.Kind() == reflect.Interface, reflect.PointerTo(t).Implements(jsonType):
		return "anything", nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return "settings", t
	case reflect.Map:
		of, inner := typeWord(t.Elem())
		return "by name: " + of, inner
	case reflect.Slice:
		of, inner := typeWord(t.Elem())
		return "list of " + of, inner
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "boolean", nil
	case reflect.Float32, reflect.Float64:
		return "number", nil
	default:
		return "integer", nil
	}
}

func (p *page) kindsTable(what, of string) {
	choices := p.kinds.choices(of)
	if len(choices) == 0 {
		return
	}
	p.line("| kind | |\n| --- | --- |")
	for _, c := range choices {
		p.line(fmt.Sprintf("| [%s](#%s-%s) | %s |", code(c.name), what, c.name, cell(c.doc)))
	}
	p.line("")
}

func (p *page) kindPages(of string) {
	what := map[string]string{"collectors": "sources", "notifiers": "receivers"}[of]
	for _, c := range p.kinds.choices(of) {
		p.line(fmt.Sprintf("### %s: %s\n\n%s\n", what, c.name, c.doc))
		if len(rowsOf(c.config, "", 0)) == 0 {
			p.line("It has no settings.\n")
			continue
		}
		p.table(c.config)
		for _, n := range p.kinds.Notifiers {
			if of == "notifiers" && n.Name == c.name && n.Rate > 0 {
				p.line(fmt.Sprintf("Its `rate` is %g a second by the vendor's published limits.\n", n.Rate))
			}
		}
	}
}

func (p *page) alertFields() {
	p.line("The fields over which routes match:\n")
	var all []string
	fields := routing.Fields()
	for _, key := range sortedKeys(fields) {
		if inner := fields[key]; inner != nil {
			for _, k := range inner {
				all = append(all, code(key+"."+k))
			}
			continue
		}
		all = append(all, code(key))
	}
	p.line(strings.Join(all, ", ") + ".\n")
}

func (p *page) shipped() {
	p.line("## Shipped rules\n\n| use | |\n| --- | --- |")
	for _, name := range library.Names() {
		r, err := Shipped(name)
		if err != nil {
			continue // a test reads them all
		}
		what := "alert"
		if r.Drop != "" {
			what = "drop"
		}
		p.line(fmt.Sprintf("| %s | %s (%s) |", code(name), cell(r.Description), what))
	}
}

func code(s string) string { return "`" + s + "`" }

// cell is text that fits into a row of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
