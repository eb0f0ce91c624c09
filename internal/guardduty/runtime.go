package guardduty

import (
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A process is what Runtime Monitoring saw running.
type process struct {
	name, path, hash, user, pwd string
	pid                         string
	lineage                     []string
	context                     value
}

func readProcess(runtime value) process {
	p := runtime.get("process")
	out := process{
		name: p.get("name").text(), path: p.get("executablePath").text(), hash: p.get("executableSha256").text(),
		user: p.get("user").text(), pwd: p.get("pwd").text(), pid: p.get("pid").text(),
		context: runtime.get("context"),
	}
	if out.user == "" && out.pid != "" {
		out.user = wording.After("uid ", p.get("userId").text())
	}
	p.get("lineage").list(func(a value) bool {
		out.lineage = append(out.lineage, wording.First(a.get("name").text(), lastSegment(a.get("executablePath").text())))
		return len(out.lineage) < 8
	})
	return out
}

// what is the process as a person would call it.
func (p process) what() string {
	if p.name == "" && p.path == "" {
		return ""
	}
	return "process " + wording.First(p.path, p.name) + wording.After(" run by ", p.user)
}

func (p process) facts() (facts []tocsin.Fact) {
	add := func(name, v string) {
		if v != "" {
			facts = append(facts, tocsin.Fact{Name: name, Value: v})
		}
	}
	executable := wording.First(p.path, p.name)
	if executable != "" && p.name != "" && lastSegment(p.path) != p.name {
		executable = join(" ", p.path, paren(p.name))
	}
	add("Process", join(", ", executable, wording.After("pid ", p.pid), wording.After("user ", p.user), wording.After("in ", p.pwd),
		wording.After("sha256 ", clip(p.hash, 17))))
	if len(p.lineage) > 0 {
		ancestors := make([]string, 0, len(p.lineage)+1)
		for _, ancestor := range slices.Backward(p.lineage) { // GuardDuty lists the parent first
			ancestors = append(ancestors, ancestor)
		}
		add("Lineage", strings.Join(append(ancestors, wording.First(p.name, lastSegment(p.path))), " → "))
	}
	add("Context", p.contextWords())
	return facts
}

// The members of a runtime context, and what they are called.
var contextNames = [...]struct{ member, word string }{
	{"commandLineExample", "command"},
	{"toolName", "tool"},
	{"toolCategory", "category"},
	{"serviceName", "service"},
	{"scriptPath", "script"},
	{"filePath", "file"},
	{"fileOperation", "operation"},
	{"threatFilePath", "file"},
	{"libraryPath", "library"},
	{"ldPreloadValue", "LD_PRELOAD"},
	{"socketPath", "socket"},
	{"runcBinaryPath", "runc"},
	{"releaseAgentPath", "release agent"},
	{"mountSource", "mounts"},
	{"mountTarget", "at"},
	{"moduleName", "module"},
	{"moduleFilePath", "module file"},
	{"shellHistoryFilePath", "shell history"},
}

func (p process) contextWords() string {
	if p.context.child() == (value{}) {
		return ""
	}
	var words []string
	for _, c := range contextNames {
		if s := p.context.get(c.member).text(); s != "" {
			words = append(words, c.word+" "+clip(s, 160))
		}
	}
	for _, other := range [...]struct{ member, word string }{
		{"targetProcess", "target process"}, {"modifyingProcess", "changed by"},
	} {
		if o := p.context.get(other.member); o.ok() {
			words = append(words, other.word+" "+wording.First(o.get("executablePath").text(), o.get("name").text()))
		}
	}
	return strings.Join(words, ", ")
}

// malware is what a scan found.
type malware struct {
	threats        []string
	path, hash     string
	files, volumes int64
	trigger, kind  string
	scanID         string
}

func readMalware(service value) malware {
	if scan := service.get("ebsVolumeScanDetails"); scan.ok() {
		return readVolumeScan(scan)
	}
	scan := service.get("malwareScanDetails")
	m := malware{scanID: scan.get("scanId").text(), kind: scan.get("scanType").text()}
	scan.get("threats").list(func(t value) bool {
		m.threats = append(m.threats, t.get("name").text())
		if m.path == "" {
			item := t.get("itemPaths")
			detail := t.get("itemDetails")
			m.path = wording.First(detail.get("itemPath").text(), item.get("nestedItemPath").text())
			m.hash = wording.First(detail.get("hash").text(), item.get("hash").text(), t.get("hash").text())
		}
		return len(m.threats) < 20
	})
	return m
}

func readVolumeScan(scan value) malware {
	m := malware{
		scanID: scan.get("scanId").text(), kind: scan.get("scanType").text(),
		trigger: scan.get("triggerFindingId").text(),
	}
	found := scan.get("scanDetections")
	m.volumes, _ = found.at("scannedItemCount", "volumes").int()
	m.files, _ = found.at("threatsDetectedItemCount", "files").int()
	found.at("threatDetectedByName", "threatNames").list(func(t value) bool {
		m.threats = append(m.threats, t.get("name").text())
		if m.path == "" {
			file := t.get("filePaths")
			m.path = wording.First(file.get("filePath").text(), file.get("fileName").text())
			m.hash = file.get("hash").text()
		}
		return len(m.threats) < 20
	})
	if len(m.threats) == 0 {
		if s := found.at("highestSeverityThreatDetails", "threatName").text(); s != "" {
			m.threats = []string{s}
		}
	}
	return m
}

// name is the first threat's name.
func (m malware) name() string {
	if len(m.threats) == 0 {
		return ""
	}
	return m.threats[0]
}

func (m malware) what() string {
	if len(m.threats) == 0 {
		return ""
	}
	return "malware scan found " + wording.Some(3, m.threats) + wording.After(": ", m.path)
}

func (m malware) facts() (facts []tocsin.Fact) {
	add := func(name, v string) {
		if v != "" {
			facts = append(facts, tocsin.Fact{Name: name, Value: v})
		}
	}
	add("File", join(", ", m.path, wording.After("sha256 ", m.hash)))
	scan := ""
	if m.scanID != "" {
		scan = join(", ", strings.ToLower(humanise(m.kind)), counted(m.files, "infected file"), counted(m.volumes, "volume")+
			scanned(m.volumes))
	}
	add("Scan", scan)
	add("Trigger", wording.After("finding ", m.trigger))
	return facts
}

func scanned(n int64) string {
	if n > 0 {
		return " scanned"
	}
	return ""
}

// counted is "3 volumes", or nothing for none.
func counted(n int64, noun string) string {
	if n <= 0 {
		return ""
	}
	return wording.Plural(n, noun)
}
