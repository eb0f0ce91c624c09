"use strict";

const main = document.querySelector("main");
const { base, key, join, person } = main.dataset;
const kept = memory(base);
const find = id => document.getElementById(id);
const linkLife = 24 * 60 * 60 * 1000; // of the links in messages

const apple = /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
const installed = navigator.standalone === true || matchMedia("(display-mode: standalone)").matches;

let registration;

// say writes into one of the two lines that are read aloud, and empties the other.
function say(where, text) {
	for (const id of ["trouble", "status"]) {
		find(id).textContent = id === where ? text : "";
		find(id).hidden = id !== where || !text;
	}
}

function base64(text) {
	const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
	return Uint8Array.from(raw, c => c.charCodeAt(0));
}

async function start() {
	find("forget").addEventListener("click", async () => { await kept.forget(); await refresh(); });
	find("stop").addEventListener("click", stop);
	find("tell")?.addEventListener("click", tell);
	addEventListener("hashchange", refresh);
	if (!isSecureContext) return say("trouble", "This page did not come by https://, so that no browser takes notifications from it.");
	if (apple && !installed && !("PushManager" in window)) {
		find("ios").hidden = !join;
		return;
	}
	if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
		return say("trouble", "This browser takes no notifications from web pages. A current Chrome, Edge, Firefox or Safari does, outside private windows.");
	}
	navigator.serviceWorker.addEventListener("message", ({ data }) => heard(data));
	try {
		registration = await navigator.serviceWorker.register(base + "worker.js", { scope: base, updateViaCache: "none" });
	} catch (error) {
		return say("trouble", "The browser does not let this page receive anything: " + error.message);
	}
	await refresh();
}

let waiting; // ends the waiting for the proof

function heard(news) {
	if (news.kind === "enrolled") waiting?.(news);
	if (news.kind === "look" && news.tag) history.replaceState(null, "", "#" + encodeURIComponent(news.tag));
	refresh();
}

// refresh shows how it is.
async function refresh() {
	const subscription = await registration?.pushManager.getSubscription();
	const told = await kept.fact("told").catch(() => null);
	const is = Boolean(subscription && told && Notification.permission === "granted");
	find("told").hidden = !is;
	if (is) {
		find("told-person").textContent = told.person;
		find("mark").textContent = await mark(subscription.endpoint);
		if (find("problem")) find("problem").hidden = true;
	}
	const done = is && told.person === person;
	if (find("ask")) find("ask").hidden = !registration || done;
	if (find("offer")) find("offer").hidden = done;
	list(await kept.messages().catch(() => []));
}

// mark is by what the person's page tells browsers apart.
async function mark(endpoint) {
	const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));
	return Array.from(sum.slice(0, 3), b => b.toString(16).padStart(2, "0")).join("");
}

function list(messages) {
	const here = decodeURIComponent(location.hash.slice(1));
	find("messages").hidden = messages.length === 0;
	find("list").replaceChildren(...messages.map(message => {
		const item = document.createElement("li");
		if (["critical", "high", "medium", "low"].includes(message.level)) item.classList.add("l-" + message.level);
		item.append(text("strong", message.title), text("span", message.body || "", "body"), text("span", new Date(message.at).toLocaleString(), "muted"));
		const links = [];
		if (message.url) links.push({ url: message.url, label: "Open the alert" });
		if (message.at > Date.now() - linkLife) links.push(...message.actions || []);
		const row = text("span", "", "links");
		for (const link of links) {
			if (!/^https?:/.test(link.url)) continue;
			const a = text("a", link.label);
			a.href = link.url;
			a.rel = "noreferrer";
			row.append(a);
		}
		if (row.children.length) item.append(row);
		if (here && message.tag === here) {
			item.classList.add("here");
			requestAnimationFrame(() => item.scrollIntoView({ block: "center" }));
		}
		return item;
	}));
}

function text(tag, content, name) {
	const element = document.createElement(tag);
	element.textContent = content;
	if (name) element.className = name;
	return element;
}

const refusals = {
	denied: "Notifications of this page are blocked. Allow them in the browser's settings for this site, and on a phone in the settings of the browser too; then press the button again.",
	default: "The question was closed without an answer. Press the button again, and allow notifications.",
};

// tell asks the browser for an address, and has it proved.
async function tell() {
	const button = find("tell");
	button.disabled = true;
	try {
		say("status", "");
		const permission = await Notification.requestPermission();
		if (permission !== "granted") return say("trouble", refusals[permission]);
		await navigator.serviceWorker.ready;
		say("status", "The browser asks its push service for an address.");
		const subscription = await Promise.race([subscribe(), tooLong()]);
		const proved = new Promise(resolve => { waiting = resolve; });
		await post(join + "/subscription", subscription);
		say("status", "A message is on its way to this browser, to prove that it arrives.");
		const news = await Promise.race([proved, arrival()]);
		if (!news.done) throw new Error(news.error);
		say("status", "Done: this browser is told.");
	} catch (error) {
		say("trouble", error.message);
	} finally {
		waiting = undefined;
		button.disabled = false;
		await refresh();
	}
}

// tooLong ends the waiting for a push service that does not answer at all.
async function tooLong() {
	await new Promise(resolve => setTimeout(resolve, 60000));
	throw new Error("The browser's push service has not answered within a minute. Is it online, and does its network let push services through?");
}

async function subscribe() {
	const options = { userVisibleOnly: true, applicationServerKey: base64(key) };
	try {
		return await registration.pushManager.subscribe(options);
	} catch (error) {
		const old = await registration.pushManager.getSubscription();
		if (!old) throw new Error("The browser could not get an address from its push service (" + error.message + "). Is it online, and is a push service allowed here?");
		await old.unsubscribe(); // it is for another key
		return registration.pushManager.subscribe(options);
	}
}

async function post(path, body) {
	let response;
	try {
		response = await fetch(path, { method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
	} catch {
		throw new Error("tocsin could not be reached. Press the button again in a moment.");
	}
	const answer = await response.json().catch(() => ({}));
	if (!response.ok) throw new Error(answer.error || "tocsin answered " + response.status + ".");
	return answer;
}

// arrival asks whether the proof has come, for browsers that do not tell the page.
async function arrival() {
	for (let n = 0; n < 30; n++) {
		await new Promise(resolve => setTimeout(resolve, 2000));
		const answer = await fetch(join + "/state", { credentials: "omit" }).then(r => r.json()).catch(() => ({}));
		if (answer.enrolled) return { done: true };
	}
	return { done: false, error: "No message has come within a minute. Is the phone online, and do its settings let this browser show notifications? It counts as soon as the message arrives; until then, press the button again." };
}

async function stop() {
	const subscription = await registration.pushManager.getSubscription();
	await subscription?.unsubscribe();
	await kept.note("told", null);
	say("status", "This browser is told nothing any more. tocsin finds that out with its next message.");
	await refresh();
}

start();
