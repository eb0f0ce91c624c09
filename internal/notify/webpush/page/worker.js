"use strict";

importScripts("store.js");

const base = new URL(self.registration.scope).pathname;
const kept = memory(base);

self.addEventListener("install", event => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
self.addEventListener("push", event => event.waitUntil(pushed(event.data)));
self.addEventListener("notificationclick", event => {
	event.notification.close();
	event.waitUntil(clicked(event.notification.data, event.action));
});
self.addEventListener("pushsubscriptionchange", event => event.waitUntil(lost()));

// pushed shows what came. Something is shown in any case: a browser that is sent
// what it does not show takes the permission away.
async function pushed(data) {
	let message;
	try {
		message = data.json();
	} catch {
		message = { title: "tocsin", body: "Something is new, and this browser could not read what.", tag: "tocsin-unread", at: Date.now(), calls: true };
	}
	if (message.proof) return confirm(message);
	let shown = message;
	try {
		// A push service may swap two messages: a call that comes after the news that
		// somebody has taken the alert on wakes nobody.
		const last = await kept.message(message.tag);
		if (last && last.at > message.at && (last.kind === "acknowledged" || last.kind === "closed")) shown = { ...last, calls: false };
	} catch {
		// Better shown twice than not at all.
	}
	await show(shown);
	if (shown === message) await kept.keep(message).catch(() => {});
	await say({ kind: "message" });
}

function show(message) {
	const options = {
		body: message.body, tag: message.tag, data: message, timestamp: message.at,
		icon: base + "icon-192.png", badge: base + "badge-96.png",
		renotify: Boolean(message.calls), silent: !message.calls, requireInteraction: Boolean(message.stays),
		actions: (message.actions || []).slice(0, Notification.maxActions || 0).map(a => ({ action: a.do, title: a.label })),
	};
	if (message.calls) options.vibrate = [300, 150, 300]; // refused for what is silent
	return self.registration.showNotification(message.title, options);
}

// clicked does what a button says, or opens the alert.
async function clicked(message, button) {
	const chosen = (message.actions || []).find(a => a.do === button);
	if (chosen) return act(message, chosen);
	if (message.proof) await confirm(message);
	return visit(message.url || base + "#" + encodeURIComponent(message.tag));
}

// act follows a signed link, which does it once.
async function act(message, chosen) {
	if (new URL(chosen.url, self.location).origin !== self.location.origin) return visit(chosen.url);
	let done = false, why = "tocsin could not be reached. Tap to try again.";
	try {
		const answer = await fetch(chosen.url, { method: "POST", credentials: "omit", redirect: "error" });
		done = answer.ok;
		why = answer.status >= 500 ? "tocsin has a problem. Tap to try again." : "It cannot be done any more. Tap to see why.";
	} catch {
		// There is no network.
	}
	const result = { ...message, title: chosen.label + (done ? ": done" : ": NOT done"), calls: !done, stays: false, actions: [] };
	result.body = (done ? "" : why + "\n") + message.title + (message.body ? "\n" + message.body.split("\n")[0] : "");
	if (!done) result.url = chosen.url;
	await show(result);
}

async function visit(url) {
	const target = new URL(url, self.location);
	if (target.origin === self.location.origin && target.pathname.startsWith(base)) {
		for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
			if (!new URL(page.url).pathname.startsWith(base)) continue;
			page.postMessage({ kind: "look", tag: decodeURIComponent(target.hash.slice(1)) });
			return page.focus();
		}
	}
	return self.clients.openWindow(target.href);
}

// confirm gives back what proves that this browser is where messages arrive.
async function confirm(message) {
	let done = false, answer = {};
	try {
		const to = new URL(message.confirm, self.location);
		if (to.origin !== self.location.origin || !to.pathname.startsWith(base)) throw new Error("not ours");
		const response = await fetch(to, { method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ proof: message.proof }) });
		answer = await response.json();
		done = response.ok;
	} catch {
		answer.error ||= "tocsin could not be reached. Tap to try again.";
	}
	if (done) {
		await kept.note("told", { person: answer.person, since: Date.now() }).catch(() => {});
		await show({ title: "tocsin", body: "This browser is told as " + answer.person + " from now on.", tag: message.tag, at: message.at, calls: true });
	} else {
		await show({ ...message, body: "The invitation could not be finished: " + answer.error, calls: true });
	}
	await say({ kind: "enrolled", done, error: answer.error });
}

// lost is called when the browser has given its address up. A new one would have
// to be proved by somebody who was invited.
async function lost() {
	await kept.note("told", null).catch(() => {});
	await show({ title: "tocsin does not reach this browser any more", body: "The browser has changed its address. Ask for another invitation, or alerts do not come here.", tag: "tocsin-lost", at: Date.now(), calls: true, stays: true });
	await say({ kind: "message" });
}

async function say(news) {
	for (const page of await self.clients.matchAll({ includeUncontrolled: true })) page.postMessage(news);
}
