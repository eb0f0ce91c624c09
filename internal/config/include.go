package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Files are texts that are taken to be in files, by their paths: nil where the file
// is taken not to be there.
type Files map[string][]byte

func (fs Files) read(path string) ([]byte, error) {
	text, ok := fs[path]
	switch {
	case !ok:
		return os.ReadFile(path)
	case text == nil:
		return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	return text, nil
}

func (d *decoder) readFile(path string) ([]byte, error) { return d.instead.read(path) }

// beside is a path from the main file's folder.
func (d *decoder) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), path)
}

// What other files may have.
var (
	includable = []string{"sources", "accounts", "owners", "rules", "routes", "inhibit", "teams", "policies", "schedules", "people", "receivers", "tests"}
	manageable = []string{"sources", "receivers"}
)

// more reads the files that belong to the main one.
func (d *decoder) more(f *file) {
	managed := d.beside(f.Managed)
	for _, path := range d.included(f.Include, managed) {
		text, err := d.readFile(path)
		if err != nil {
			d.fail(d.spot("include"), "include", "%s", err)
			continue
		}
		d.part(f, path, text, includable, "belongs in "+d.file+", which includes this file")
	}
	switch {
	case d.failed("managed"):
		return
	case managed == "":
		d.fail(d.spot("managed"), "managed", "is empty: name the file that pages and commands write")
		return
	case filepath.Clean(managed) == filepath.Clean(d.file):
		d.fail(d.spot("managed"), "managed", "is this file itself: pages and commands write into one of their own")
		return
	}
	text, err := d.readFile(managed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.fail(d.spot("managed"), "managed", "%s", err)
	default:
		d.part(f, managed, text, manageable, "has no place in the file that pages and commands write: it belongs in "+d.file)
	}
}

// included are the paths of the files to include, each once, in order.
func (d *decoder) included(list names, managed string) []string {
	var all []string
	for i, name := range list {
		at := d.item("include", i)
		path := d.beside(name)
		if path == "" {
			d.fail(d.spot(at), at, "is empty: name a file")
			continue
		}
		found := []string{path}
		if strings.ContainsAny(name, "*?[") {
			var err error
			if found, err = filepath.Glob(path); err != nil {
				d.fail(d.spot(at), at, "%q: %s", name, err)
				continue
			}
			if len(found) == 0 {
				d.warn(d.spot(at), at, "no file is called like %q", name)
			}
		} else if filepath.Clean(path) == filepath.Clean(d.file) {
			d.fail(d.spot(at), at, "%s cannot include itself", name)
			continue
		} else if _, err := d.readFile(path); err != nil {
			d.fail(d.spot(at), at, "%s", err)
			continue
		}
		for _, path := range found {
			if path = filepath.Clean(path); path != filepath.Clean(d.file) && path != filepath.Clean(managed) && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// part adds what another file has. why says of a key that is not among those
// allowed what is wrong with it.
func (d *decoder) part(f *file, path string, text []byte, allowed []string, why string) {
	d.texts = append(d.texts, text)
	d.files = append(d.files, path)
	doc, problem := readYAML(path, text)
	if problem != nil {
		d.problems = append(d.problems, *problem)
		return
	}
	if doc.root == nil {
		return
	}
	if d.bound == nil {
		d.bound = doc.bound
	} else {
		maps.Copy(d.bound, doc.bound)
	}
	lines := d.lines
	d.lines, d.current, d.behind = doc.lines, len(d.files)-1, map[string]int{}
	defer func() { d.lines, d.current, d.behind = lines, 0, nil }()

	root, ok := d.follow(doc.root, "")
	if !ok {
		return
	}
	if kind := kindOf(root); kind != "mapping" {
		if kind != "nothing" {
			d.fail(d.start(root), "", "got %s, want mapping", kind)
		}
		return
	}
	into, fields := reflect.ValueOf(f).Elem(), fieldsOf(reflect.TypeFor[file]())
	for _, e := range d.entries(root, "") {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		switch {
		case strings.HasPrefix(e.key, "x-"):
		case i < 0:
			d.fail(e.at, "", "unknown key %q%s", e.key, didYouMean(e.key, allowed))
		case !slices.Contains(allowed, e.key):
			d.fail(e.at, "", "%q %s", e.key, why)
		default:
			d.top = append(d.top, e)
			d.add(e, into.FieldByIndex(fields[i].index))
		}
	}
}

// add puts what stands under a key behind what is there already.
func (d *decoder) add(e entry, there reflect.Value) {
	first, twice := d.spots[e.key]
	if _, ok := d.spots[e.key+" key"]; !ok {
		d.spots[e.key+" key"] = e.at
	}
	if there.Kind() == reflect.Slice {
		d.behind[e.key] = there.Len()
	}
	more := reflect.New(there.Type()).Elem()
	d.value(e.node, e.key, more)
	if twice {
		d.spots[e.key] = first
	}
	if there.Kind() == reflect.Slice {
		there.Set(reflect.AppendSlice(there, more))
		return
	}
	if there.IsNil() {
		there.Set(reflect.MakeMap(there.Type()))
	}
	for _, key := range more.MapKeys() {
		there.SetMapIndex(key, more.MapIndex(key))
	}
}
