// What scripts add: a menu that folds on small screens, work that is watched, drag and
// drop, and the progress of an upload. Without them every page works as well.
"use strict";
document.documentElement.classList.add("scripted");

const toggle = document.querySelector(".nav__toggle");
if (toggle) {
	toggle.hidden = false;
	toggle.addEventListener("click", () => toggle.setAttribute("aria-expanded", String(toggle.getAttribute("aria-expanded") !== "true")));
}
document.querySelector("#fehler")?.focus();

// Language and colours load the page anew, and what was typed comes along within the
// window: all but passwords, which are written down nowhere, and files, which no script can
// choose. It comes back to the same person on the same page alone. Without scripts they
// open a window of their own.
const view = document.querySelector(".foot__view");
const boxed = (e) => ["checkbox", "radio"].includes(e.type);
const inputs = () => [...document.querySelectorAll("main form")].flatMap((form) => [...form.elements]
	.filter((e) => e.name && !["_csrf", "_einmal"].includes(e.name) && !["password", "file", "submit", "button", "fieldset"].includes(e.type))
	.map((e) => [JSON.stringify([form.getAttribute("action"), e.name, e.type, boxed(e) && e.value]), e]));
view.removeAttribute("target");
view.addEventListener("submit", (e) => {
	const files = document.querySelector(".drop__list li") || [...document.querySelectorAll("input[type=file]")].some((input) => input.files.length);
	if (files && !confirm(view.dataset.files)) return e.preventDefault();
	const fields = inputs().map(([is, e]) => [is, boxed(e) ? e.checked : e.value]);
	sessionStorage.setItem("typed", JSON.stringify({ user: view.dataset.user, page: view.elements.weiter.value, fields }));
});
const left = JSON.parse(sessionStorage.getItem("typed"));
sessionStorage.removeItem("typed");
const typed = left?.user === view.dataset.user && left.page === location.pathname + location.search ? left.fields : [];
for (const [is, e] of typed.length ? inputs() : []) {
	const at = typed.findIndex(([was]) => was === is), of = boxed(e) ? "checked" : "value";
	if (at < 0) continue;
	const [[, value]] = typed.splice(at, 1);
	if (e[of] === value) continue;
	e[of] = value;
	if (e.type !== "hidden") e.closest("details")?.setAttribute("open", "");
}

// A frame that has the focus matches no selector: the page says it in a class.
const framed = () => { for (const f of document.querySelectorAll("iframe")) f.classList.toggle("focused", f === document.activeElement); };
for (const type of ["blur", "focus"]) addEventListener(type, () => setTimeout(framed));

// Where work can be watched, the archive says when it has worked, and the page looks
// again. A browser that gets no such stream looks by itself now and then.
const watched = () => document.querySelector("[hx-trigger=work]");
if (watched()) {
	const look = () => { const part = watched(); if (part && !document.hidden) htmx.trigger(part, "work"); };
	const stream = new EventSource("/arbeit");
	let timer;
	stream.addEventListener("work", () => { if (watched()) look(); else stream.close(); });
	stream.addEventListener("end", () => stream.close());
	stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) timer ??= setInterval(look, 15000); });
	document.addEventListener("visibilitychange", look);
	addEventListener("pagehide", () => stream.close());
}

// A character that reverses the direction of writing makes an .exe look like a .txt.
const straight = (name) => name.replace(/[\u202A-\u202E\u2066-\u2069]/g, "\uFFFD");

// Files that were chosen or dropped one after the other, with the folders they are in.
const upload = (form, picked) => {
	const words = form.dataset, list = form.querySelector(".drop__list"), zone = form.querySelector("[data-drop]"), note = form.querySelector(".upload-note");
	const size = (n) => {
		const [unit, of] = [["byte", 1], ["kilobyte", 1e3], ["megabyte", 1e6], ["gigabyte", 1e9]].findLast(([, least]) => n >= least) ?? ["byte", 1];
		return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumFractionDigits: 1 }).format(n / of);
	};
	const say = (text) => { note.hidden = !text; note.querySelector(".upload-login").hidden = text !== words.expired; note.querySelector(".kern-title").textContent = text ?? ""; if (text) note.focus(); };
	const show = () => {
		list.replaceChildren(...picked.slice(0, 100).map((entry) => {
			const name = Object.assign(document.createElement("span"), { textContent: `${straight(entry.path)} (${size(entry.file.size)})` });
			const button = Object.assign(document.createElement("button"), { type: "button", className: "kern-btn kern-btn--tertiary", textContent: words.remove });
			button.setAttribute("aria-label", `${words.remove}: ${straight(entry.path)}`);
			button.addEventListener("click", () => { picked.splice(picked.indexOf(entry), 1); show(); form.querySelector("#f-file").focus(); });
			const item = document.createElement("li");
			item.append(name, button);
			return item;
		}));
		const total = picked.reduce((n, entry) => n + entry.file.size, 0), most = Number(words.most);
		form.querySelector(".drop__total").textContent = picked.length ? (picked.length === 1 ? words.single : words.total).replace("{n}", picked.length).replace("{size}", size(total)) : "";
		say(most && total > most ? words.large.replace("{size}", size(most)) : null);
	};
	const add = (file, path) => { if (!picked.some((entry) => entry.path === path)) picked.push({ file, path }); };
	for (const input of form.querySelectorAll("input[type=file]")) {
		input.addEventListener("change", () => {
			for (const file of input.files) add(file, file.webkitRelativePath || file.name);
			input.value = "";
			show();
		});
	}

	// A folder comes as a tree that has to be walked; readEntries gives a piece at a time.
	const walk = async (entry) => {
		if (entry.isFile) return add(await new Promise((done, fail) => entry.file(done, fail)), entry.fullPath.replace(/^\//, ""));
		for (const reader = entry.createReader(); ;) {
			const some = await new Promise((done, fail) => reader.readEntries(done, fail));
			if (some.length === 0) return;
			for (const inner of some) await walk(inner);
		}
	};
	zone.querySelector(".drop__hint").hidden = false;
	for (const type of ["dragenter", "dragover"]) zone.addEventListener(type, (e) => { e.preventDefault(); zone.classList.add("drop--over"); });
	zone.addEventListener("dragleave", () => zone.classList.remove("drop--over"));
	zone.addEventListener("drop", async (e) => {
		e.preventDefault();
		zone.classList.remove("drop--over");
		const files = [...e.dataTransfer.files], entries = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry());
		try {
			if (entries.some(Boolean)) for (const entry of entries.filter(Boolean)) await walk(entry);
			else for (const file of files) add(file, file.name);
			show();
		} catch { show(); say(words.unreadable); }
	});

	const button = form.querySelector("button.kern-btn--primary"), progress = form.querySelector(".upload-progress");
	const busy = (is) => { button.disabled = is; progress.hidden = !is; window.onbeforeunload = is ? (e) => e.preventDefault() : null; };
	const stop = (text) => { busy(false); say(text); };
	form.addEventListener("submit", async (e) => {
		e.preventDefault();
		say(null);
		busy(true);
		// Nothing large is sent for a session that is over; one that was begun meanwhile will do.
		try {
			const answer = await fetch(form.action), page = new DOMParser().parseFromString(await answer.text(), "text/html");
			const token = page.querySelector("#upload [name=_csrf]");
			if (!token) return stop(words.expired);
			form.querySelector("[name=_csrf]").value = token.value;
		} catch { return stop(words.broken); }
		const data = new FormData(form);
		data.delete("file");
		for (const entry of picked) {
			if (/["\\\r\n]/.test(entry.path)) data.append("name", encodeURIComponent(entry.path)); // the browser would change it
			data.append("file", entry.file, entry.path);
		}
		const request = new XMLHttpRequest(), label = progress.querySelector("label");
		request.open("POST", form.action);
		label.textContent = words.sending;
		request.upload.addEventListener("progress", (p) => { 
			if (!p.lengthComputable) return;
			const share = Math.floor(100 * p.loaded / p.total);
			progress.querySelector("progress").value = share;
			label.textContent = `${words.sending} (${share}\u00a0%)`;
		});
		request.upload.addEventListener("load", () => { label.textContent = words.storing; });
		request.addEventListener("load", () => {
			busy(false);
			if (request.status < 400 && new URL(request.responseURL).pathname !== new URL(form.action).pathname) return location.assign(request.responseURL);
			const page = new DOMParser().parseFromString(request.responseText, "text/html"), again = page.querySelector("#upload");
			document.querySelector("main").replaceWith(page.querySelector("main"));
			if (again) upload(again, picked);
			document.querySelector("#fehler")?.focus();
		});
		for (const type of ["error", "abort"]) request.addEventListener(type, () => stop(words.broken));
		request.send(data);
	});
	picker(form.querySelector("#f-class"));
	if (picked.length) show();
};

// picker makes a text field with a list of values into a combobox (ARIA APG) in which
// any words of a value find it.
const picker = (input) => {
	const fold = (s) => s.toLowerCase().replaceAll("ß", "ss").normalize("NFD").replace(/\p{M}/gu, "");
	const values = [...input.list.options].map((o) => [o.value, fold(o.value)]);
	const box = Object.assign(document.createElement("ul"), { id: input.id + "-list", className: "picker", hidden: true });
	box.setAttribute("role", "listbox");
	box.setAttribute("aria-label", input.labels[0].textContent);
	input.removeAttribute("list");
	input.after(box);
	for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", box.id]]) input.setAttribute(name, value);
	let at = -1;
	const close = () => { box.hidden = true; at = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
	const choose = (option) => { input.value = option.textContent; close(); };
	const go = (to) => {
		const options = [...box.children];
		at = (to + options.length) % options.length;
		options.forEach((o, i) => o.setAttribute("aria-selected", String(i === at)));
		options[at].scrollIntoView({ block: "nearest" });
		input.setAttribute("aria-activedescendant", options[at].id);
	};
	const open = () => {
		const words = fold(input.value).split(/\s+/).filter(Boolean);
		const hits = values.filter(([, folded]) => words.every((word) => folded.includes(word))).slice(0, 50);
		box.replaceChildren(...hits.map(([value], i) => {
			const option = Object.assign(document.createElement("li"), { id: `${box.id}-${i}`, textContent: value });
			option.setAttribute("role", "option");
			option.setAttribute("aria-selected", "false");
			option.addEventListener("mousedown", (e) => { e.preventDefault(); choose(option); });
			return option;
		}));
		if (!hits.length) return close();
		at = -1;
		input.removeAttribute("aria-activedescendant");
		box.hidden = false;
		input.setAttribute("aria-expanded", "true");
	};
	input.addEventListener("input", open);
	input.addEventListener("blur", close);
	input.addEventListener("keydown", (e) => {
		if (e.key === "Escape" && !box.hidden) { e.preventDefault(); close(); }
		if (e.key === "Enter" && at >= 0) { e.preventDefault(); choose(box.children[at]); }
		if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
		e.preventDefault();
		if (box.hidden) open();
		if (!box.hidden) go(e.key === "ArrowDown" ? at + 1 : at < 0 ? -1 : at - 1);
	});
};
const form = document.querySelector("#upload");
if (form) upload(form, []);

// Nothing is sent twice: not by a second click either.
document.addEventListener("submit", (e) => {
	if (e.defaultPrevented || e.target.method !== "post" || e.target.id === "upload") return;
	if (e.target.dataset.sent) e.preventDefault();
	e.target.dataset.sent = "1";
});
addEventListener("pageshow", () => { for (const f of document.forms) delete f.dataset.sent; });
