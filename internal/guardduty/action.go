package guardduty

import (
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// The kinds of action, by GuardDuty's actionType.
const (
	actionAPI        = "AWS_API_CALL"
	actionNetwork    = "NETWORK_CONNECTION"
	actionDNS        = "DNS_REQUEST"
	actionProbe      = "PORT_PROBE"
	actionKubernetes = "KUBERNETES_API_CALL"
	actionLogin      = "RDS_LOGIN_ATTEMPT"
)

// An action is what was done, as far as the finding describes it.
type action struct {
	kind   string
	remote remote
	// blocked says what became of a connection, where blockedKnown.
	blocked, blockedKnown bool
	protocol              string

	// AWS API calls.
	api, service, failure, agent string
	account                      string // the caller's account, if another
	affiliated, affiliatedKnown  bool

	// Network connections and probes.
	direction string // INBOUND, OUTBOUND, UNKNOWN
	localPort string
	ports     []string
	probers   int

	domain string // as it is, not defanged

	// Kubernetes API calls.
	verb, uri, object, subresource, namespace, objectName string
	status                                                int64

	// Database logins.
	dbUser, dbApp      string
	failed, successful int64
	logins             bool
}

// A remote is the other side.
type remote struct {
	ip, port, city, country, org string
}

// The members of action that describe each kind.
var actionMembers = [...]struct{ kind, member string }{
	{actionAPI, "awsApiCallAction"},
	{actionNetwork, "networkConnectionAction"},
	{actionDNS, "dnsRequestAction"},
	{actionProbe, "portProbeAction"},
	{actionKubernetes, "kubernetesApiCallAction"},
	{actionLogin, "rdsLoginAttemptAction"},
}

func (f Finding) action() action {
	v := f.detail.at("service", "action")
	a := action{kind: v.get("actionType").text()}
	for _, m := range actionMembers {
		if d := v.get(m.member); d.ok() {
			a.kind = m.kind
			a.read(d)
			break
		}
	}
	return a
}

func (a *action) read(d value) {
	a.remote = readRemote(d.get("remoteIpDetails"))
	a.blocked, a.blockedKnown = d.get("blocked").truth()
	a.protocol = strings.ToUpper(d.get("protocol").text())
	a.agent = d.get("userAgent").text()
	switch a.kind {
	case actionAPI:
		a.api, a.service = d.get("api").text(), d.get("serviceName").text()
		a.failure = d.get("errorCode").text()
		if a.domain = d.at("domainDetails", "domain").text(); strings.HasSuffix(a.domain, ".amazonaws.com") {
			a.domain = "" // one AWS service called another
		}
		account := d.get("remoteAccountDetails")
		a.account = accountID(account.get("accountId"))
		a.affiliated, a.affiliatedKnown = account.get("affiliated").truth()
	case actionNetwork:
		a.direction = strings.ToUpper(d.get("connectionDirection").text())
		a.localPort = port(d.get("localPortDetails"))
		a.remote.port = d.at("remotePortDetails", "port").text()
	case actionDNS:
		a.domain = wording.First(d.get("domain").text(), d.get("domainWithSuffix").text())
	case actionProbe:
		a.probes(d.get("portProbeDetails"))
	case actionKubernetes:
		a.verb, a.uri = strings.ToLower(d.get("verb").text()), d.get("requestUri").text()
		a.object, a.subresource = d.get("resource").text(), d.get("subresource").text()
		a.namespace, a.objectName = d.get("namespace").text(), d.get("resourceName").text()
		a.status, _ = d.get("statusCode").int()
		if a.remote.ip == "" {
			a.remote.ip = wording.Some(3, append(d.get("sourceIPs").texts(10), d.get("sourceIps").texts(10)...))
		}
	case actionLogin:
		a.readLogins(d.get("LoginAttributes"))
	}
}

func (a *action) probes(details value) {
	ips := make(map[string]bool)
	details.list(func(p value) bool {
		r := readRemote(p.get("remoteIpDetails"))
		if len(ips) == 0 {
			a.remote = r
		}
		if r.ip != "" {
			ips[r.ip] = true
		}
		a.ports = append(a.ports, port(p.get("localPortDetails")))
		return len(a.ports) < 100
	})
	a.probers = len(ips)
	a.direction = "INBOUND"
}

func (a *action) readLogins(logins value) {
	logins.list(func(l value) bool {
		if !a.logins {
			a.dbUser, a.dbApp = l.get("user").text(), l.get("application").text()
		}
		failed, _ := l.get("failedLoginAttempts").int()
		successful, _ := l.get("successfulLoginAttempts").int()
		a.failed += clamp(failed)
		a.successful += clamp(successful)
		a.logins = true
		return true
	})
}

// clamp keeps counts where a sum of them cannot overflow.
func clamp(n int64) int64 { return min(max(n, 0), 1e12) }

// port is "22 (SSH)".
func port(v value) string {
	name := v.get("portName").text()
	if strings.EqualFold(name, "unknown") {
		name = ""
	}
	p := v.get("port").text()
	if p == "" {
		return name
	}
	return p + paren(name)
}

func readRemote(v value) remote {
	org := v.get("organization")
	name := wording.First(org.get("asnOrg").text(), org.get("org").text(), org.get("isp").text())
	return remote{
		ip:      wording.First(v.get("ipAddressV4").text(), v.get("ipAddressV6").text()),
		city:    v.at("city", "cityName").text(),
		country: wording.First(v.at("country", "countryName").text(), v.at("country", "countryCode").text()),
		org:     join(" ", asn(org.get("asn").text()), name),
	}
}

// asn is "AS64500", or nothing for the numbers by which AWS says unknown.
func asn(s string) string {
	s = strings.TrimPrefix(strings.ToUpper(s), "AS")
	if n, err := strconv.ParseUint(s, 10, 32); err != nil || n == 0 {
		return ""
	}
	return "AS" + s
}

// long is "203.0.113.7:443 (Amsterdam, Netherlands, AS64500 Example)".
func (r remote) long() string {
	where := join(", ", r.city, r.country, r.org)
	if r.ip == "" {
		return where
	}
	return r.address() + paren(where)
}

func (r remote) address() string {
	switch {
	case r.port == "" || r.port == "0" || r.ip == "":
		return r.ip
	case strings.Contains(r.ip, ":"):
		return "[" + r.ip + "]:" + r.port
	}
	return r.ip + ":" + r.port
}

// what says what was done, in one line.
func (a action) what() string {
	switch a.kind {
	case actionAPI:
		if a.api == "" {
			return ""
		}
		return "API call " + a.api + wording.After(" to ", a.service)
	case actionNetwork:
		return a.connection()
	case actionDNS:
		if a.domain == "" {
			return ""
		}
		return "looked up " + defang(a.domain) + paren(a.protocol)
	case actionProbe:
		return "probes of port " + wording.First(wording.Some(8, a.ports), "unknown") + wording.After(" by ", counted(int64(a.probers), "IP"))
	case actionKubernetes:
		call := join(" ", a.verb, wording.First(a.uri, join("/", a.object, a.objectName, a.subresource)))
		return call
	case actionLogin:
		if !a.logins {
			return ""
		}
		return wording.Plural(a.failed, "failed login") + ", " + wording.Plural(a.successful, "successful login") +
			wording.After(" as ", a.dbUser) + wording.After(" with ", a.dbApp)
	}
	return ""
}

func (a action) connection() string {
	protocol := wording.First(a.protocol, "network")
	switch a.direction {
	case "INBOUND":
		return "inbound " + protocol + wording.After(" to our port ", a.localPort) + wording.After(" from ", a.remote.ip)
	case "OUTBOUND":
		return "outbound " + protocol + wording.After(" to ", a.remote.address()) + wording.After(" from our port ", ephemeral(a.localPort))
	}
	return protocol + " connection" + wording.After(" with ", a.remote.address()) + wording.After(", our port ", a.localPort)
}

// ephemeral drops ports that say nothing.
func ephemeral(port string) string {
	digits, _, _ := strings.Cut(port, " ")
	if n, err := strconv.Atoi(digits); err == nil && n >= 1024 && digits == port {
		return ""
	}
	return port
}

// result says whether it worked, where the finding tells.
func (a action) result() (name, result string) {
	switch {
	case a.kind == actionAPI && a.failure != "":
		return "Result", "failed: " + a.failure
	case a.kind == actionAPI && a.api != "":
		return "Result", "succeeded"
	case a.kind == actionKubernetes && a.status >= 400:
		return "Result", "failed: HTTP " + strconv.FormatInt(a.status, 10)
	case a.kind == actionKubernetes && a.status > 0:
		return "Result", "succeeded: HTTP " + strconv.FormatInt(a.status, 10)
	case a.blockedKnown && a.blocked:
		return "Blocked", "yes"
	case a.blockedKnown:
		return "Blocked", "no"
	}
	return "", ""
}

// failedCall reports whether the call came to nothing.
func (a action) failedCall() bool { return a.failure != "" || a.status >= 400 }

// actor is who did it. For connections that we opened it is the other side.
func (a action) actor() tocsin.Actor {
	return tocsin.Actor{
		IP: clip(a.remote.ip, maxFact), Country: clip(a.remote.country, maxFact), Org: clip(a.remote.org, maxFact),
		Domain: clip(defang(a.domain), maxFact),
	}
}

// callerAccount is "111122223333, not one of ours".
func (a action) callerAccount() string {
	switch {
	case a.account == "":
		return ""
	case a.affiliatedKnown && a.affiliated:
		return a.account + ", affiliated with this account"
	case a.affiliatedKnown:
		return a.account + ", NOT affiliated with this account"
	}
	return a.account
}
