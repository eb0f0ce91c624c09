"use strict";

// What this browser keeps for itself: the last messages, and whether it is told.
// The page and the service worker of one receiver share it.
function memory(base) {
	const most = 30;
	let opening;
	const open = () => opening ??= new Promise((resolve, reject) => {
		const request = indexedDB.open("tocsin " + base, 1);
		request.onupgradeneeded = () => {
			request.result.createObjectStore("messages", { keyPath: "tag" });
			request.result.createObjectStore("facts");
		};
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
	const ask = async (store, mode, what) => {
		const transaction = (await open()).transaction(store, mode);
		const request = what(transaction.objectStore(store));
		return new Promise((resolve, reject) => {
			transaction.oncomplete = () => resolve(request.result);
			transaction.onerror = transaction.onabort = () => reject(transaction.error);
		});
	};
	const messages = async () => (await ask("messages", "readonly", s => s.getAll())).sort((a, b) => b.at - a.at);
	return {
		messages, // the newest first
		message: tag => ask("messages", "readonly", s => s.get(tag)),
		keep: async message => {
			await ask("messages", "readwrite", s => s.put(message));
			for (const old of (await messages()).slice(most)) await ask("messages", "readwrite", s => s.delete(old.tag));
		},
		forget: () => ask("messages", "readwrite", s => s.clear()),
		fact: name => ask("facts", "readonly", s => s.get(name)),
		note: (name, value) => ask("facts", "readwrite", s => s.put(value, name)),
	};
}
