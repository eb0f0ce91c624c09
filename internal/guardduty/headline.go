package guardduty

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A phraseKey picks a phrase; an empty part stands for any.
type phraseKey struct{ purpose, resource, family, mechanism string }

// In a phrase, {it} is our resource, with the process where one is known, and
// {us} our resource alone. A phrase in two halves says first what an actor does
// and then what a target suffers. {word} is replaced as [reading.word] says; an
// empty one takes the space before it along.
var phrases = map[phraseKey]string{
	// Command and control, mining, and other things that infected machines do.
	{"", "", "C&CActivity", ""}:                  "{it} is talking to a C2 server",
	{"", "", "C&CActivity", "!DNS"}:              "{it} looked up a C2 server's domain",
	{"", "", "CCActivity", ""}:                   "{it} is talking to a C2 server",
	{"", "", "BitcoinTool", ""}:                  "{it} is talking to a mining pool",
	{"", "", "BitcoinTool", "!DNS"}:              "{it} looked up a mining pool",
	{"", "", "BitcoinDomainRequest", ""}:         "{it} looked up a cryptocurrency domain",
	{"", "", "CryptoMinerExecuted", ""}:          "{it} is mining cryptocurrency",
	{"", "", "DenialOfService", ""}:              "{it} is taking part in a DoS attack",
	{"", "", "XORDDOS", ""}:                      "{it} is infected with XOR.DDoS",
	{"", "", "Spambot", ""}:                      "{it} is sending spam",
	{"", "", "BlackholeTraffic", ""}:             "{it} is talking to a blackholed IP",
	{"", "", "BlackholeTraffic", "!DNS"}:         "{it} looked up a blackholed domain",
	{"", "", "DropPoint", ""}:                    "{it} is talking to a drop point for stolen data",
	{"", "", "DropPoint", "!DNS"}:                "{it} looked up a stolen-data drop point",
	{"", "", "DGADomainRequest", ""}:             "{it} looked up a malware-generated domain",
	{"", "", "DNSDataExfiltration", ""}:          "{it} is leaking data through DNS",
	{"", "", "DriveBySourceTraffic", ""}:         "{it} looked up a drive-by download site",
	{"", "", "PhishingDomainRequest", ""}:        "{it} looked up a phishing site",
	{"", "", "AbusedDomainRequest", ""}:          "{it} looked up an often abused domain",
	{"", "", "MaliciousDomainRequest", ""}:       "{it} looked up a malicious domain",
	{"", "", "MaliciousDomainRequest", "Custom"}: "{it} looked up a domain on your threat list",
	{"", "", "SuspiciousDomainRequest", ""}:      "{it} looked up a suspicious domain",
	{"", "", "MetadataDNSRebind", ""}:            "{it} resolves a name to the metadata service",
	{"", "", "TorClient", ""}:                    "{it} is talking to Tor",
	{"", "", "TorRelay", ""}:                     "{it} is acting as a Tor relay",

	// What happens on the network around an instance.
	{"", "", "SSHBruteForce", ""}:                 "{us} is brute-forcing SSH elsewhere|{us} is under an SSH brute-force attack",
	{"", "", "RDPBruteForce", ""}:                 "{us} is brute-forcing RDP elsewhere|{us} is under an RDP brute-force attack",
	{"", "", "WinRMBruteForce", ""}:               "{us} is brute-forcing WinRM elsewhere|{us} is under a WinRM brute-force attack",
	{"", "", "PortSweep", ""}:                     "{us} is sweeping a port across many hosts",
	{"", "", "Portscan", ""}:                      "{us} is port-scanning another host",
	{"", "", "PortProbeUnprotectedPort", ""}:      "{us}: open {port} probed by scanners",
	{"", "", "PortProbeEMRUnprotectedPort", ""}:   "{us}: open EMR {port} probed by scanners",
	{"", "EC2", "MaliciousIPCaller", ""}:          "{us} is in contact with a known-bad IP",
	{"", "EC2", "MaliciousIPCaller", "Custom"}:    "{us} is in contact with an IP on your threat list",
	{"", "Lambda", "MaliciousIPCaller", ""}:       "{us} is in contact with a known-bad IP",
	{"", "Lambda", "MaliciousIPCaller", "Custom"}: "{us} is in contact with an IP on your threat list",
	{"", "EC2", "TorIPCaller", ""}:                "{us} is contacted from Tor",
	{"", "", "NetworkPortUnusual", ""}:            "{us} is talking on unusual port {remoteport}",
	{"", "", "TrafficVolumeUnusual", ""}:          "{us} is sending unusually much traffic",
	{"", "", "UnusualDNSResolver", ""}:            "{us} is using an unusual DNS resolver",
	{"", "", "UnusualDoHActivity", ""}:            "{us} is using DNS over HTTPS unusually",
	{"", "", "UnusualDoTActivity", ""}:            "{us} is using DNS over TLS unusually",

	// What somebody did with credentials.
	{"", "IAMUser", "AnomalousBehavior", ""}:                 "{us} {made} an unusual API call {api} ({purpose})",
	{"", "IAMUser", "MaliciousIPCaller", ""}:                 "{us} {called} {api} from a known-bad IP",
	{"", "IAMUser", "MaliciousIPCaller", "Custom"}:           "{us} {called} {api} from an IP on your threat list",
	{"", "IAMUser", "TorIPCaller", ""}:                       "{us} {called} {api} from Tor",
	{"", "IAMUser", "UnusualASNCaller", ""}:                  "{us} {called} {api} from an unusual network",
	{"", "IAMUser", "KaliLinux", ""}:                         "{us} {called} {api} from a Kali Linux machine",
	{"", "IAMUser", "ParrotLinux", ""}:                       "{us} {called} {api} from a Parrot Linux machine",
	{"", "IAMUser", "PentooLinux", ""}:                       "{us} {called} {api} from a Pentoo Linux machine",
	{"", "", "InstanceCredentialExfiltration", ""}:           "{us}: stolen instance credentials used",
	{"", "", "InstanceCredentialExfiltration", "InsideAWS"}:  "{us}: stolen instance credentials used in another account",
	{"", "", "InstanceCredentialExfiltration", "OutsideAWS"}: "{us}: stolen instance credentials used outside AWS",
	{"", "", "ResourceCredentialExfiltration", ""}:           "{us}: stolen credentials of a resource used",
	{"", "", "ResourceCredentialExfiltration", "InsideAWS"}:  "{us}: stolen resource credentials used in another account",
	{"", "", "ResourceCredentialExfiltration", "OutsideAWS"}: "{us}: stolen resource credentials used outside AWS",
	{"", "", "CompromisedCredentials", ""}:                   "{us}: credentials look compromised {callof}",
	{"", "", "RootCredentialUsage", ""}:                      "root credentials were used {forapi}",
	{"", "", "ShortTermRootCredentialUsage", ""}:             "short-term root credentials were used {forapi}",
	{"", "", "ConsoleLoginSuccess", ""}:                      "{us} logged in to the console from several countries",
	{"", "", "ConsoleLogin", ""}:                             "{us} logged in to the console unusually",
	{"", "", "PasswordPolicyChange", ""}:                     "{us} {weakened} the password policy",
	{"", "", "CloudTrailLoggingDisabled", ""}:                "{us} {disabled} CloudTrail logging {callof}",
	{"", "", "LoggingConfigurationModified", ""}:             "{us} {changed} logging settings {callof}",
	{"", "", "BedrockLoggingDisabled", ""}:                   "{us} {disabled} Bedrock logging",
	{"Recon", "", "UserPermissions", ""}:                     "{us} {looked} at user permissions unusually {callof}",
	{"Recon", "", "ResourcePermissions", ""}:                 "{us} {looked} at resource permissions unusually {callof}",
	{"Recon", "", "NetworkPermissions", ""}:                  "{us} {looked} at network permissions unusually {callof}",
	{"", "", "UserPermissions", ""}:                          "{us} {changed} user permissions unusually {callof}",
	{"", "", "ResourcePermissions", ""}:                      "{us} {changed} resource permissions unusually {callof}",
	{"", "", "NetworkPermissions", ""}:                       "{us} {changed} network permissions unusually {callof}",
	{"", "", "AdministrativePermissions", ""}:                "{us} tried to make itself administrator {callof}",
	{"", "", "ComputeResources", ""}:                         "{us} {launched} compute unusually {callof}",
	{"", "", "InstanceLaunchUnusual", ""}:                    "{us} {launched} an unusual instance",
	{"", "", "AnomalousModelInvocation", ""}:                 "{us} {called} an AI model unusually",
	{"", "", "CostHarvesting", ""}:                           "{us} is running up AI model costs",
	{"", "", "PromptInjection", ""}:                          "{us} sent a prompt injection to an AI model",

	// S3.
	{"", "", "AccountBlockPublicAccessDisabled", ""}: "{caller} {disabled} S3 Block Public Access for all buckets",
	{"", "", "BucketAnonymousAccessGranted", ""}:     "{us} {opentoall}",
	{"", "", "BucketPublicAccessGranted", ""}:        "{us} {madepublic}",
	{"", "", "BucketBlockPublicAccessDisabled", ""}:  "{us} {lostblock}",
	{"", "", "ServerAccessLoggingDisabled", ""}:      "{us}: access logging {wasoff}",
	{"Discovery", "S3", "AnomalousBehavior", ""}:     "{us} was explored unusually {by}",
	{"Exfiltration", "S3", "AnomalousBehavior", ""}:  "{us}: unusual {reads} {by}",
	{"", "S3", "AnomalousBehavior", ""}:              "{us}: unusual {api} {by}",
	{"", "S3", "AnomalousBehavior", "Delete"}:        "{us}: unusual {deletes} {by}",
	{"", "S3", "AnomalousBehavior", "Permission"}:    "{us}: unusual {permits} {by}",
	{"", "S3", "AnomalousBehavior", "Write"}:         "{us}: unusual {writes} {by}",
	{"Discovery", "S3", "MaliciousIPCaller", ""}:     "{us} was explored from a known-bad IP {by}",
	{"Exfiltration", "S3", "MaliciousIPCaller", ""}:  "{us}: {reads} from a known-bad IP {by}",
	{"", "S3", "MaliciousIPCaller", ""}:              "{us}: {api} from a known-bad IP {by}",
	{"", "S3", "MaliciousIPCaller", "Custom"}:        "{us}: {api} from an IP on your threat list",
	{"", "S3", "TorIPCaller", ""}:                    "{us}: {api} from Tor {by}",
	{"", "S3", "KaliLinux", ""}:                      "{us}: {api} from a Kali Linux machine {by}",
	{"", "S3", "ParrotLinux", ""}:                    "{us}: {api} from a Parrot Linux machine {by}",
	{"", "S3", "PentooLinux", ""}:                    "{us}: {api} from a Pentoo Linux machine {by}",
	{"", "", "ObjectRead", ""}:                       "{us}: objects read unusually {by}",
	{"", "", "ObjectDelete", ""}:                     "{us}: objects deleted unusually {by}",
	{"", "", "PermissionsModification", ""}:          "{us}: permissions changed unusually {by}",
	{"", "", "BucketEnumeration", ""}:                "{us} was listed unusually {by}",

	// Malware.
	{"", "", "MaliciousFile", ""}:               "{us}: malware {threat} found",
	{"", "", "MaliciousFile", "!Snapshot"}:      "{us} contains malware {threat}",
	{"", "", "MaliciousFile", "!AMI"}:           "{us} contains malware {threat}",
	{"", "", "MaliciousFile", "!RecoveryPoint"}: "{us} contains malware {threat}",
	{"Object", "", "MaliciousFile", ""}:         "{us} contains malware {threat}",
	{"S3Object", "", "MaliciousFile", ""}:       "{us} contains malware {threat}",
	{"", "", "SuspiciousFile", ""}:              "{us}: suspicious file {threat} found",

	// Databases.
	{"", "RDS", "AnomalousBehavior", ""}:                     "{us}: unusual logins {asuser}",
	{"", "RDS", "AnomalousBehavior", "SuccessfulLogin"}:      "{us}: unusual login {asuser} succeeded",
	{"", "RDS", "AnomalousBehavior", "FailedLogin"}:          "{us}: unusual failed logins {asuser}",
	{"", "RDS", "AnomalousBehavior", "SuccessfulBruteForce"}: "{us}: brute-force login succeeded {foruser}",
	{"", "RDS", "MaliciousIPCaller", ""}:                     "{us} was probed from a known-bad IP",
	{"", "RDS", "MaliciousIPCaller", "SuccessfulLogin"}:      "{us}: login {asuser} from a known-bad IP succeeded",
	{"", "RDS", "MaliciousIPCaller", "FailedLogin"}:          "{us}: failed logins {asuser} from a known-bad IP",
	{"", "RDS", "TorIPCaller", ""}:                           "{us} was probed from Tor",
	{"", "RDS", "TorIPCaller", "SuccessfulLogin"}:            "{us}: login {asuser} from Tor succeeded",
	{"", "RDS", "TorIPCaller", "FailedLogin"}:                "{us}: failed logins {asuser} from Tor",

	// Kubernetes.
	{"", "Kubernetes", "MaliciousIPCaller", ""}:                                             "{us}: {who} {k8s} from a known-bad IP",
	{"", "Kubernetes", "MaliciousIPCaller", "Custom"}:                                       "{us}: {who} {k8s} from a listed IP",
	{"", "Kubernetes", "TorIPCaller", ""}:                                                   "{us}: {who} {k8s} from Tor",
	{"", "Kubernetes", "SuccessfulAnonymousAccess", ""}:                                     "{us}: anonymous user {k8s}",
	{"", "Kubernetes", "ExecInKubeSystemPod", ""}:                                           "{us}: {who} ran a command in a kube-system pod",
	{"", "Kubernetes", "AnomalousBehavior", ""}:                                             "{us}: {who} unusually {k8s}",
	{"", "Kubernetes", "AnomalousBehavior", "SecretsAccessed"}:                              "{us}: {who} read secrets unusually",
	{"", "Kubernetes", "AnomalousBehavior", "PermissionChecked"}:                            "{us}: {who} checked its permissions unusually",
	{"", "Kubernetes", "AnomalousBehavior", "ExecInPod"}:                                    "{us}: {who} ran a command in a pod unusually",
	{"", "Kubernetes", "AnomalousBehavior", "RoleCreated"}:                                  "{us}: {who} created a far-reaching role",
	{"", "Kubernetes", "AnomalousBehavior", "RoleBindingCreated"}:                           "{us}: {who} bound a far-reaching role",
	{"", "Kubernetes", "AnomalousBehavior", "WorkloadDeployed"}:                             "{us}: {who} deployed an unusual workload",
	{"", "Kubernetes", "AnomalousBehavior", "WorkloadDeployed!PrivilegedContainer"}:         "{us}: {who} deployed an unusual privileged container",
	{"", "Kubernetes", "AnomalousBehavior", "WorkloadDeployed!ContainerWithSensitiveMount"}: "{us}: {who} deployed a container that mounts the host",
	{"", "", "PrivilegedContainer", ""}:                                                     "{us}: {who} started a privileged container",
	{"", "", "ContainerWithSensitiveMount", ""}:                                             "{us}: {who} started a container that mounts the host",
	{"", "", "AdminAccessToDefaultServiceAccount", ""}:                                      "{us}: a default service account was made admin",
	{"", "Kubernetes", "AnonymousAccessGranted", ""}:                                        "{us}: anonymous users were given access",
	{"", "", "KubeflowDashboardExposed", ""}:                                                "{us}: the Kubeflow dashboard is open to the internet",
	{"", "", "ExposedDashboard", ""}:                                                        "{us}: the Kubernetes dashboard is open to the internet",

	// What Runtime Monitoring sees.
	{"", "", "FilelessExecution", ""}:            "{us}: {process} runs from memory, without a file",
	{"", "", "KernelModuleLoaded", ""}:           "{us}: {process} loaded a kernel module",
	{"", "", "SensitiveFileModified", ""}:        "{us}: {process} changed a sensitive file",
	{"", "", "ProcessInjection", ""}:             "{us}: {process} injected code into another process",
	{"", "", "PtraceAntiDebugging", ""}:          "{us}: {process} defends itself against debuggers",
	{"", "", "SuspiciousCommand", ""}:            "{us}: {process} ran a suspicious command ({purpose})",
	{"", "", "MaliciousFileExecuted", ""}:        "{us}: malicious file {process} was executed",
	{"", "", "MaliciousFileExecuted", "Custom"}:  "{us}: {process} is on your threat list",
	{"", "", "NewBinaryExecuted", ""}:            "{us}: {process}, new in the container, was executed",
	{"", "", "NewLibraryLoaded", ""}:             "{us}: {process} loaded a library new in the container",
	{"", "", "SuspiciousShellCreated", ""}:       "{us}: {process} opened a suspicious shell",
	{"", "", "SuspiciousTool", ""}:               "{us}: {process} is a tool attackers use",
	{"", "", "ReverseShell", ""}:                 "{us}: {process} opened a reverse shell",
	{"", "", "CGroupsReleaseAgentModified", ""}:  "{us}: {process} tries to escape its container",
	{"", "", "RuncContainerEscape", ""}:          "{us}: {process} tries to escape its container through runc",
	{"", "", "ContainerMountsHostDirectory", ""}: "{us}: a container mounts a directory of its host",
	{"", "", "DockerSocketAccessed", ""}:         "{us}: {process} reached for the Docker socket",
	{"", "", "ElevationToRoot", ""}:              "{us}: {process} became root",
	{"", "", "UserfaultfdUsage", ""}:             "{us}: {process} used userfaultfd, as exploits do",

	// Attack sequences.
	{"AttackSequence", "", "CompromisedData", ""}:          "attack sequence: compromised {service} data {of}{signals}",
	{"AttackSequence", "", "CompromisedCredentials", ""}:   "attack sequence: compromised credentials {of}{signals}",
	{"AttackSequence", "", "CompromisedCluster", ""}:       "attack sequence: compromised {service} cluster {name}{signals}",
	{"AttackSequence", "", "CompromisedInstanceGroup", ""}: "attack sequence: compromised EC2 instances {of}{signals}",

	// Custom detection rules.
	{"", "", "UnsecuredCredentials", ""}:             "{us} {readit} credentials {callof}",
	{"", "", "ModifyAuthenticationProcess", ""}:      "{us} {changed} how {service} authenticates {callof}",
	{"", "", "DisableOrModifyTools", ""}:             "{us} {changed} {service} defenses {callof}",
	{"", "", "ModifyCloudResourceHierarchy", ""}:     "{us} {changed} the organization {callof}",
	{"", "", "CommandAndScriptingInterpreter", ""}:   "{us} {called} {api} to run code in {service}",
	{"", "", "TransferDataToCloudAccount", ""}:       "{us} {shared} {service} data with another account {callof}",
	{"", "", "DataDestruction", ""}:                  "{us} {destroyed} {service} data {callof}",
	{"", "", "ResourceHijacking", ""}:                "{us} may be hijacking {service} {callof}",
	{"", "", "ValidAccounts", ""}:                    "{us} {called} {api}, maybe with stolen credentials",
	{"", "", "ExploitPublicFacingApplication", ""}:   "{us} {exposed} {service} to the internet {callof}",
	{"", "", "RemoteServices", ""}:                   "{us} {called} {api} to reach another machine",
	{"", "", "BootOrLogonInitializationScripts", ""}: "{us} {changed} a start-up script {callof}",
	{"", "", "ExternalRemoteServices", ""}:           "{us} {opened} a way in from outside {callof}",
	{"", "", "AccountManipulation", ""}:              "{us} {changed} {service} access {callof}",
	{"", "", "CompromiseAccounts", ""}:               "{us} {called} {api} to prepare an attack",
}

// pick finds the phrase that says most: one for the very mechanism before one
// for the purpose, and both before one for the family.
func pick(t Type) string {
	mechanism := t.Mechanism + wording.After("!", t.Artifact)
	for _, m := range [...]string{mechanism, t.Mechanism, wording.After("!", t.Artifact), ""} {
		for _, k := range [...]phraseKey{
			{t.Purpose, t.Resource, t.Family, m},
			{"", t.Resource, t.Family, m},
			{t.Purpose, "", t.Family, m},
			{"", "", t.Family, m},
		} {
			if p, ok := phrases[k]; ok {
				return p
			}
		}
	}
	return ""
}

// headline is what happened to what of ours, in about 70 characters.
func (r *reading) headline() string {
	phrase := pick(r.t)
	if actor, target, ok := strings.Cut(phrase, "|"); ok {
		phrase = actor
		if r.isTarget() {
			phrase = target
		}
	}
	if phrase == "" {
		phrase = "{it}: {family} ({purpose})"
	}
	s := r.fill(phrase)
	if utf8.RuneCountInString(s) > goodHeadline {
		s = r.shorten(s)
	}
	return clip(defangIn(defangLinks(s), r.action.domain), maxHeadline)
}

// shorten takes from a headline, step by step, what matters less than what
// happened.
func (r *reading) shorten(s string) string {
	s = strings.Replace(s, "EKS cluster ", "EKS ", 1)
	s = strings.Replace(s, "ECS cluster ", "ECS ", 1)
	for _, step := range [...]struct {
		above int
		word  string
	}{
		{goodHeadline, wording.After(" ", r.word("by"))},
		{goodHeadline, paren(r.word("purpose"))},
		{maxHeadline, wording.After(" ", r.word("callof"))},
		{maxHeadline, "service account "},
		{maxHeadline, paren(middle(r.ours.name, maxName))},
	} {
		if step.word != "" && utf8.RuneCountInString(s) > step.above {
			s = strings.Replace(s, step.word, "", 1)
		}
	}
	return s
}

// isTarget tells the role, which the direction of the connection tells too.
func (r *reading) isTarget() bool {
	role := r.detail.at("service", "resourceRole")
	switch {
	case role.is("TARGET"):
		return true
	case role.is("ACTOR"):
		return false
	}
	return r.action.direction == "INBOUND"
}

// fill puts the words into a phrase.
func (r *reading) fill(phrase string) string {
	var b strings.Builder
	b.Grow(maxHeadline)
	for {
		before, rest, ok := strings.Cut(phrase, "{")
		if !ok {
			b.WriteString(phrase)
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		phrase = after
		if w := r.word(name); w != "" {
			b.WriteString(before)
			b.WriteString(w)
		} else {
			b.WriteString(strings.TrimSuffix(before, " "))
		}
	}
}

// verbs have the words for a call that came through, and for one that failed.
var verbs = map[string][2]string{
	"made":       {"made", "tried"},
	"called":     {"called", "tried"},
	"weakened":   {"weakened", "tried to weaken"},
	"disabled":   {"turned off", "tried to turn off"},
	"changed":    {"changed", "tried to change"},
	"looked":     {"looked", "tried to look"},
	"launched":   {"launched", "tried to launch"},
	"shared":     {"shared", "tried to share"},
	"destroyed":  {"destroyed", "tried to destroy"},
	"exposed":    {"exposed", "tried to expose"},
	"opened":     {"opened", "tried to open"},
	"opentoall":  {"was opened to everybody, without login", "was nearly opened to everybody"},
	"madepublic": {"was made public", "was nearly made public"},
	"lostblock":  {"lost its block of public access", "nearly lost its block of public access"},
	"wasoff":     {"was turned off", "was nearly turned off"},
	"readit":     {"read", "tried to read"},
	"reads":      {"reads of data", "attempts to read data"},
	"deletes":    {"deletes of objects", "attempts to delete objects"},
	"writes":     {"writes of objects", "attempts to write objects"},
	"permits":    {"changes of permissions", "attempts to change permissions"},
}

// word is what a placeholder stands for.
func (r *reading) word(name string) string {
	if v, ok := verbs[name]; ok {
		if r.action.failedCall() {
			return v[1]
		}
		return v[0]
	}
	switch name {
	case "us":
		return r.us()
	case "it":
		if r.process.name != "" {
			return r.us() + ": " + middle(r.process.name, 24)
		}
		return r.us()
	case "process":
		return middle(wording.First(r.process.name, lastSegment(r.process.path), "a process"), 24)
	case "api":
		return wording.First(middle(r.action.api, maxName), "APIs")
	case "callof":
		return bracketed(middle(r.action.api, maxName))
	case "forapi":
		return wording.After("for ", middle(r.action.api, maxName))
	case "purpose":
		return strings.ToLower(humanise(r.t.Purpose))
	case "family":
		return r.family()
	case "threat":
		return clip(r.malware.name(), 30)
	case "caller":
		if r.who == (principal{}) {
			return "somebody"
		}
		return r.who.short(maxName)
	case "by":
		if r.who == (principal{}) {
			return ""
		}
		return "by " + r.who.short(20)
	case "port":
		return r.probedPort()
	case "remoteport":
		return r.unusualPort()
	case "service":
		return serviceWords(r.t.Resource)
	case "of":
		return r.story.of(r.t)
	case "name":
		return middle(r.ours.id, maxName)
	case "signals":
		if r.story.count == 0 {
			return ""
		}
		return ", " + wording.Plural(int64(r.story.count), "signal")
	}
	return r.loginWord(name)
}

func (r *reading) loginWord(name string) string {
	switch name {
	case "asuser":
		return wording.After("as ", middle(r.dbUser, 20))
	case "foruser":
		return wording.After("for ", middle(r.dbUser, 20))
	case "who":
		return r.kubernetesWho()
	case "k8s":
		return r.action.kubernetesDeed()
	}
	return ""
}

// us is our resource; a workload's findings name it besides its cluster.
func (r *reading) us() string {
	if r.ours.kind == kindEKS && r.ours.name != "" && r.t.Resource != "Kubernetes" {
		return "EKS " + middle(r.ours.id, 20) + " " + middle(r.ours.name, 24)
	}
	return r.ours.label
}

func (r *reading) probedPort() string {
	switch len(r.action.ports) {
	case 0:
		return "port"
	case 1:
		return "port " + r.action.ports[0]
	case 2, 3:
		return "ports " + strings.Join(r.action.ports, ", ")
	}
	return "ports " + strings.Join(r.action.ports[:2], ", ") + " +" + strconv.Itoa(len(r.action.ports)-2)
}

func (r *reading) unusualPort() string {
	if r.action.direction == "INBOUND" {
		return r.action.localPort
	}
	return r.action.remote.port
}

func serviceWords(resource string) string {
	switch resource {
	case "Route53Resolver":
		return "DNS resolver"
	case "Organizations":
		return "organization"
	case "RolesAnywhere":
		return "Roles Anywhere"
	case "SageMaker":
		return "SageMaker"
	case "IAMUser":
		return "IAM"
	}
	return clip(resource, 20)
}

// family is the last resort: the type's family in words, or the title.
func (r *reading) family() string {
	f := humanise(r.t.Family)
	if len(r.t.Mechanism) > 1 { // not one of the letters that tell variants apart
		f += " " + humanise(r.t.Mechanism)
	}
	if r.t.Family == "" || r.t.Purpose == "" {
		f = wording.First(f, r.detail.get("title").text(), "a finding of no known type")
	}
	return wording.First(f, "a finding of no known type")
}

// kubernetesWho is a Kubernetes user as a headline calls them.
func (r *reading) kubernetesWho() string {
	u := r.detail.at("resource", "kubernetesDetails", "kubernetesUserDetails", "username").text()
	switch {
	case u == "system:anonymous":
		return "anonymous user"
	case u == "":
		return "somebody"
	case strings.HasPrefix(u, "system:serviceaccount:"):
		return "service account " + middle(lastSegment(u), 20)
	}
	return "user " + middle(lastSegment(u), 20)
}

// kubernetesVerbs have the past tense, and what follows "tried to".
var kubernetesVerbs = map[string][2]string{
	"get": {"got", "get"}, "list": {"listed", "list"}, "watch": {"watched", "watch"},
	"create": {"created", "create"}, "update": {"changed", "change"}, "patch": {"changed", "change"},
	"delete": {"deleted", "delete"}, "deletecollection": {"deleted", "delete"},
}

// kubernetesDeed is "got secrets in kube-system" or "tried to list pods".
func (a action) kubernetesDeed() string {
	verb, ok := kubernetesVerbs[a.verb]
	if !ok {
		verb = [2]string{"called the API", "call the API"}
	}
	did := verb[0]
	if a.failedCall() {
		did = "tried to " + verb[1]
	}
	object := clip(wording.First(a.object, objectOfURI(a.uri)), 24)
	if a.subresource == "exec" {
		object = "exec in " + wording.First(object, "pods")
	}
	if !ok || object == "" {
		if !ok {
			return did
		}
		return did + " objects"
	}
	return did + " " + object + wording.After(" in ", middle(wording.First(a.namespace, namespaceOfURI(a.uri)), 20))
}

// objectOfURI is "secrets" of /api/v1/namespaces/kube-system/secrets/x.
func objectOfURI(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if p == "namespaces" && i+2 < len(parts) {
			return parts[i+2]
		}
	}
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		return parts[2]
	case len(parts) >= 4 && parts[0] == "apis":
		return parts[3]
	}
	return ""
}

func namespaceOfURI(uri string) string {
	_, rest, ok := strings.Cut(uri, "/namespaces/")
	if !ok {
		return ""
	}
	ns, _, _ := strings.Cut(rest, "/")
	ns, _, _ = strings.Cut(ns, "?")
	return ns
}
