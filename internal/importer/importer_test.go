package importer_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func yaml(t *testing.T, text string) *importer.Node {
	t.Helper()
	n, err := importer.ReadYAML("a.yml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return n
}

func TestYAMLIsReadAsItIsSpelled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spelled, text string
		kind          importer.Kind
	}{
		{"012345678901", "012345678901", importer.Word},
		{"0x1F", "0x1F", importer.Word},
		{"1.0", "1.0", importer.Word},
		{"1e3", "1e3", importer.Word},
		{"yes", "yes", importer.Word},
		{"True", "True", importer.Word},
		{"2026-01-01", "2026-01-01", importer.Word},
		{"12:30", "12:30", importer.Word},
		{`"012"`, "012", importer.String},
		{"'a''b'", "a'b", importer.String},
		{"!!str 012", "012", importer.String},
		{"~", "", importer.Null},
		{"", "", importer.Null},
		{"&x 012", "012", importer.Word},
	} {
		n := yaml(t, "key: "+tt.spelled+"\n").At("key")
		if n.Kind != tt.kind || n.Text != tt.text && tt.kind != importer.Null {
			t.Errorf("%s is %s %q, want %s %q", tt.spelled, n.Kind, n.Text, tt.kind, tt.text)
		}
	}
	n := yaml(t, "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")
	if n.At("b").At("x").Text != "1" || n.At("b").At("y").Text != "3" || n.At("c").At("y").Text != "2" {
		t.Error("anchors, aliases and merge keys are not resolved")
	}
	if n := yaml(t, "a: !Sub x\n").At("a"); n.Tag != "!Sub" || n.Text != "x" {
		t.Errorf("a tag: %+v", n)
	}
}

func TestWhatCannotBeReadIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a.yml", "a: 1\na: 2\n", `a.yml:2:1: "a" is there twice, first in line 1`},
		{"a.yml", "a: [\n", "a.yml:1:"},
		{"a.yml", "a: *x\n", "a.yml:1:4: no anchor &x before this"},
		{"a.yml", "a: &a [*a]\n", "a.yml:1:"},
		{"a.yml", "a: 1\n---\nb: 2\n", "a.yml:3:1: a second document"},
		{"a.yml", "a: \xff\n", "a.yml: not UTF-8"},
		{"a.yml", strings.Repeat("[", 2000), "a.yml: nested too deep"},
		{"a.yml", "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", "a.yml:"},
		{"a.json", `{"a": 1, "a": 2}`, `a.json:1:10: "a" is there twice`},
		{"a.json", "{\n  \"a\": }", "a.json:2:8: not JSON"},
		{"a.json", `{"a": 1} x`, "a.json:1:10: something follows"},
		{"a.json", strings.Repeat(`[`, 300) + strings.Repeat(`]`, 300), "a.json:1:102: nested too deep"},
	} {
		read := importer.ReadYAML
		if strings.HasSuffix(tt.name, ".json") {
			read = importer.ReadJSON
		}
		if _, err := read(tt.name, []byte(tt.text)); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %s…", tt.text, err, tt.want)
		}
	}
}

func TestJSONIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	const text = "{ \"pattern\" : {\"severity\":[ 4,4.0 ,1e3],\n \"t\":[\"\\u0041\", true, null]} }"
	n, err := importer.ReadJSON("a.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := n.At("pattern").JSON()
	if want := "{\"severity\":[ 4,4.0 ,1e3],\n \"t\":[\"\\u0041\", true, null]}"; err != nil || string(got) != want {
		t.Errorf("JSON() = %s, %v, want %s", got, err, want)
	}
	from := yaml(t, "severity: [4, 4.0, {numeric: ['>=', 7]}]\naccount: ['012345678901']\nok: [true, null]\nday: 2026-01-01\n")
	got, err = from.JSON()
	const want = `{"severity":[4,4.0,{"numeric":[">=",7]}],"account":["012345678901"],"ok":[true,null],"day":"2026-01-01"}`
	if tight := strings.NewReplacer("\n", "", " ", "").Replace(string(got)); err != nil || tight != want {
		t.Errorf("JSON() = %s, %v, want %s", tight, err, want)
	}
}

func TestTerraformIsReadInItsSimpleForm(t *testing.T) {
	t.Parallel()
	n, err := importer.ReadHCL("a.tf", []byte(`
a = "x\"\n\u0041 $${y} %%{z}" # comment
b = 012
c = [1, "two", [3], var.x] // another
d = { k = "v", "q" : true }
e = var.env == "prod" ? "a" : "b"
f = "web-${var.env}-${join("}", ["{"])}"
g = <<EOT
one
  two
EOT
h = <<-EOT
    one
      two
    EOT
i = null
j = -1.5
k = merge(
  local.a,
  { b = "}" },
)
module "m" "n" { x = 1 }
block { y = 2 }
block { y = 3 }
/* the
end */`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"a": "text x\"\nA ${y} %{z}", "b": "a word 012", "e": `an expression var.env == "prod" ? "a" : "b"`, "f": `an expression "web-${var.env}-${join("}", ["{"])}"`,
		"g": "text one\n  two\n", "h": "text one\n  two\n", "i": "nothing ", "j": "a word -1.5", "k": "an expression merge(\n  local.a,\n  { b = \"}\" },\n)",
	} {
		if v := n.At(key); v == nil || v.Kind.String()+" "+v.Text != want {
			t.Errorf("%s is %+v, want %s", key, v, want)
		}
	}
	if c := n.At("c"); len(c.Items) != 4 || c.Items[1].Text != "two" || !c.Items[3].Is(importer.Expression) || c.Items[2].Items[0].Text != "3" {
		t.Errorf("c: %+v", c)
	}
	if d := n.At("d"); d.At("k").Text != "v" || d.At("q").Text != "true" {
		t.Errorf("d: %+v", d)
	}
	if x := n.At("module").At("m").At("n").At("x"); x == nil || x.Text != "1" || x.Line != 22 {
		t.Errorf("module.m.n.x: %+v", x)
	}
	if b := n.At("block"); !b.Is(importer.List) || b.Items[1].At("y").Text != "3" {
		t.Errorf("block: %+v", b)
	}
}

// What is not in its simple form is left whole, and the rest of the file is read: texts
// over several lines with templates in them, comments with quotes and brackets.
func TestTheRestOfATerraformFile(t *testing.T) {
	t.Parallel()
	n, err := importer.ReadHCL("main.tf", []byte(`
policy = <<EOT
{"Resource": "${aws_sns_topic.t.arn}", "x": "it's {
EOT
doc = templatefile("a", { t = <<-EOT
    it's "quoted and { open
    EOT
})
v = merge(
  local.a, # it's "a comment (
  { b = 1 }, // so's "this
  /* and " this { */
)
w = var.a // it's "the last"
x = "$${literal" == var.b ? 1 : 2
y = 1 << 2
z = [ # it's "a list
  "one", // it's the first
]
last = "here"
`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"policy": "an expression <<EOT\n{\"Resource\": \"${aws_sns_topic.t.arn}\", \"x\": \"it's {\nEOT",
		"w":      "an expression var.a", "x": `an expression "$${literal" == var.b ? 1 : 2`, "y": "an expression 1 << 2", "last": "text here",
	} {
		if v := n.At(key); v == nil || v.Kind.String()+" "+v.Text != want {
			t.Errorf("%s is %+v, want %s", key, v, want)
		}
	}
	if v := n.At("v"); !v.Is(importer.Expression) || v.Line != 9 || !strings.HasSuffix(v.Text, "*/\n)") {
		t.Errorf("v: %+v", v)
	}
	if z := n.At("z"); !z.Is(importer.List) || len(z.Items) != 1 || z.Items[0].Text != "one" {
		t.Errorf("z: %+v", z)
	}
	if last := n.At("last"); last.Line != 20 || last.Column != 8 {
		t.Errorf("last is at %d:%d, want 20:8", last.Line, last.Column)
	}
}

// What a program wrote on one line has its places in it, and is read as soon as what
// is on many.
func TestAFileOnOneLine(t *testing.T) {
	t.Parallel()
	var list, expressions strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&list, `,{"é": "x", "n": %d}`, i)
		fmt.Fprintf(&expressions, ", [var.a%d]", i)
	}
	n, err := importer.ReadJSON("a.json", []byte("["+list.String()[1:]+"]"))
	if err != nil || len(n.Items) != 20_000 || n.Items[19_999].Line != 1 || n.Items[19_999].Column != utf8.RuneCountInString(list.String())-utf8.RuneCountInString(`{"é": "x", "n": 19999}`)+1 {
		t.Errorf("JSON: %v, the last at %d:%d", err, n.Items[19_999].Line, n.Items[19_999].Column)
	}
	n, err = importer.ReadHCL("a.tf", []byte("a = ["+expressions.String()[1:]+"]\n"))
	if err != nil || len(n.At("a").Items) != 20_000 {
		t.Errorf("Terraform: %v", err)
	}
}

// Whatever the texts are, every reader of YAML reads them as they were.
func TestWhatIsWrittenIsReadTheSame(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{
		"", " ", "a", "true", "No", "~", "null", "012", "1.5", "1e3", "- x", "# x", "a: b", "a #b", "'", `"`, `\`, "\n", "\t", "\r\n", "x\n\ny\n", "  indented\nthen not", "\n\n", "é", "\u2028", "\u0085", "\x00", "\x1b[31m",
		"\u202e", "{", "}", "[x]", "*a", "&a", "!x", "%", "@", "`", "|", ">", "$", "$$", "${env:HOME}", "$${x}", "...", "---", "=", "<<", "?", ",", strings.Repeat("long ", 60), "\U0001F600", "\ufeff",
	}
	some := func() string {
		var b strings.Builder
		for range 1 + r.IntN(3) {
			b.WriteString(words[r.IntN(len(words))])
		}
		return b.String()
	}
	for range 2000 {
		inner := &importer.Map{Flow: r.IntN(2) == 0}
		want := map[string]string{}
		for i := range 3 {
			text := some()
			key := fmt.Sprintf("k%d%s", i, some())
			want[key] = text
			inner.Set(key, text, "from here: "+some())
		}
		text := some()
		d := &importer.Draft{Config: (&importer.Map{}).Set("map", inner).Set("block", importer.Block(importer.Literal(text)), some()).
			Set("list", importer.Items{some(), (&importer.Map{}).Set("x", text, some())}).Set("texts", []string{text}).Set("empty", &importer.Map{}).Set("none", importer.Items{})}
		d.Remarks = append(d.Remarks, importer.Remark{File: "x", Text: some()})
		written := d.File("tocsin import "+some(), nil)
		n, err := importer.ReadYAML("out.yml", written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		expanded := func(n *importer.Node) string {
			got, err := secret.Expand(n.Scalar())
			if err != nil {
				t.Fatalf("%v\n%s", err, written)
			}
			return got
		}
		for key, text := range want {
			if got := n.At("map").At(key); got == nil || expanded(got) != text || got.Kind == importer.Null {
				t.Fatalf("%q: %+v, want %q\n%s", key, got, text, written)
			}
		}
		for name, got := range map[string]*importer.Node{"block": n.At("block"), "list": n.At("list").Items[1].At("x"), "texts": n.At("texts").Items[0]} {
			if expanded(got) != text {
				t.Fatalf("%s: %q, want %q\n%s", name, expanded(got), text, written)
			}
		}
	}
}

func TestNamesAreThoseThatReceiversMayHave(t *testing.T) {
	t.Parallel()
	names := importer.Names{}
	for _, tt := range []struct{ text, want string }{
		{"soc", "soc"},
		{"soc", "soc-2"},
		{"Team Äx / on-call", "Team-x-on-call"},
		{"", "otherwise"},
		{"日本", "otherwise-2"},
		{"_.x", "x"},
		{"link", "link-2"},
		{strings.Repeat("a", 80), strings.Repeat("a", 63)},
		{strings.Repeat("a", 80), strings.Repeat("a", 61) + "-2"},
	} {
		if got := names.Take(tt.text, "otherwise"); got != tt.want {
			t.Errorf("Take(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestSecretsOfOneNameAndAnotherValueAreTwo(t *testing.T) {
	t.Parallel()
	d := &importer.Draft{Config: &importer.Map{}}
	one := d.Secret("soc", "x", secret.New("1"))
	if again := d.Secret("soc", "y", secret.New("1")); again != one {
		t.Error("the same secret twice is two")
	}
	two, three := d.Secret("soc", "z", secret.New("2")), d.Secret("SOC", "z", secret.New("3"))
	if one.Env != "TOCSIN_SOC" || two.Env != "TOCSIN_SOC_2" || three.Env != "TOCSIN_SOC_3" || two.File != "soc-2" || three.File != "soc-3" {
		t.Errorf("they are called %s, %s, %s; %s, %s", one.Env, two.Env, three.Env, two.File, three.File)
	}
	d.Config.Set("a", two)
	if needed := d.Needed(); len(needed) != 1 || needed[0] != two.Secret {
		t.Errorf("Needed() = %v, want the one that the file names", needed)
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "tocsin")
	d := &importer.Draft{Config: &importer.Map{}, Silences: []string{"tocsin silence create"}}
	d.Config.Set("a", d.Secret("soc", "x", secret.New("hunter2")))
	written, err := d.Write(dir, "tocsin import x", false)
	if err != nil || len(written) != 3 {
		t.Fatalf("Write = %q, %v", written, err)
	}
	for name, mode := range map[string]fs.FileMode{"secrets": 0o700, "secrets/soc": 0o600, "tocsin.yml": 0o644, "silences.sh": 0o755} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %o", name, info, err, mode)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "tocsin.yml"))
	if err != nil || !strings.Contains(string(text), `a: "${file:`+filepath.Join(dir, "secrets", "soc")+`}"`) || strings.Contains(string(text), "hunter2") {
		t.Errorf("tocsin.yml: %v\n%s", err, text)
	}
	mine := []byte("mine")
	if err := os.WriteFile(filepath.Join(dir, "tocsin.yml"), mine, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets/soc"), mine, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"secrets/soc", "silences.sh"} { // one that is there is enough
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := d.Write(dir, "tocsin import x", false); err == nil || len(written) != 0 || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("Write = %q, %v", written, err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "tocsin.yml")); !slices.Equal(text, mine) {
		t.Error("it was written over")
	}
	if _, err := os.Stat(filepath.Join(dir, "secrets/soc")); err == nil {
		t.Error("a secret was written though the rest was not")
	}
	if written, err := d.Write(dir, "tocsin import x", true); err != nil || len(written) != 3 {
		t.Errorf("with force: Write = %q, %v", written, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets/soc")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret that was written over: %v, %v", info, err)
	}
}

// A secret that the old file does not have either has no file, and its name comes from
// the environment; two such are two.
func TestASecretThatIsNotThereHasNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := &importer.Draft{Config: &importer.Map{}}
	d.Config.Set("a", d.Secret("soc", "x", secret.String{})).Set("b", d.Secret("soc", "y", secret.String{}))
	written, err := d.Write(dir, "tocsin import x", false)
	if err != nil || len(written) != 1 {
		t.Errorf("Write = %q, %v, want tocsin.yml alone", written, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "tocsin.yml"))
	if err != nil || !strings.Contains(string(text), `a: "${env:TOCSIN_SOC}"`) || !strings.Contains(string(text), `b: "${env:TOCSIN_SOC_2}"`) {
		t.Errorf("%v\n%s", err, text)
	}
}

// The name of a file is in a comment of the script that is run, and ends there.
func TestTheNameOfAFileIsNoCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := &importer.Draft{Config: (&importer.Map{}).Set("a", 1), Silences: []string{"tocsin silence create"}}
	if _, err := d.Write(dir, "tocsin import x\nrm -rf /\r\nrm -rf .", false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"silences.sh", "tocsin.yml"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(strings.TrimSpace(line), "rm") {
				t.Errorf("%s has the line %q", name, line)
			}
		}
	}
	if _, err := d.Write(filepath.Join(dir, "a}b"), "tocsin import x", false); err == nil || !strings.Contains(err.Error(), "cannot be referred to") {
		t.Errorf("a folder whose name ends a reference: %v", err)
	}
}

// Words that some readers of YAML take for something else are in quotes, however they
// are written.
func TestWordsOfYAMLAreInQuotes(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"True", "NO", "oN", "null", "NaN", "y"} {
		d := &importer.Draft{Config: (&importer.Map{}).Set("a", word)}
		if got := string(d.YAML(nil)); got != "a: \""+word+"\"\n" {
			t.Errorf("%s is written %s", word, got)
		}
	}
}

func TestFilesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	text := []byte("a = [" + strings.Repeat(" ", 8<<20) + "]")
	for _, read := range []func(string, []byte) (*importer.Node, error){importer.ReadYAML, importer.ReadJSON, importer.ReadHCL} {
		if _, err := read("x", text); err == nil || err.Error() != "x: larger than 8 MiB" {
			t.Errorf("more than 8 MiB: %v", err)
		}
	}
}

func FuzzReading(f *testing.F) {
	for _, seed := range []string{"a: 1\n", "a: &x [1]\nb: *x\n", `{"a": [1, {"b": null}]}`, "a = \"x${y}\"\nb { c = [1] }\n", "<<: {a: 1}\n", "? x\n: y\n", "a = <<E\nx\nE\n", "a: !Sub |\n  x\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string, []byte) (*importer.Node, error){importer.ReadYAML, importer.ReadJSON, importer.ReadHCL, importer.Read} {
			n, err := read("x", []byte(text))
			if err == nil && n == nil {
				t.Error("neither a node nor an error")
			}
		}
	})
}

// A file of eight megabytes may be all keys. (The parser of YAML takes longer than that
// for so many.)
func TestVeryManyKeys(t *testing.T) {
	t.Parallel()
	yaml, json := 100, 100_000
	for _, tt := range []struct {
		name, begin, line, end string
		n                      int
	}{{"yaml", "", "k%d: %[1]d\n", "%s: 1\n", yaml}, {"json", "{", "\"k%d\":%[1]d,", "%q:1}", json}} {
		var text strings.Builder
		text.WriteString(tt.begin)
		for i := range tt.n {
			fmt.Fprintf(&text, tt.line, i)
		}
		root, err := importer.Read(tt.name, []byte(text.String()+fmt.Sprintf(tt.end, "last")))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 31, 32, 33, tt.n - 1} {
			if got := root.At(fmt.Sprintf("k%d", i)).Scalar(); got != fmt.Sprint(i) {
				t.Errorf("%s: k%d is %q", tt.name, i, got)
			}
		}
		if root.Has(fmt.Sprintf("k%d", tt.n)) {
			t.Errorf("%s has what is not there", tt.name)
		}
		if _, err := importer.Read(tt.name, []byte(text.String()+fmt.Sprintf(tt.end, "k77"))); err == nil || !strings.Contains(err.Error(), `"k77" is there twice`) {
			t.Errorf("%s: a key that is there twice: %v", tt.name, err)
		}
	}
}
