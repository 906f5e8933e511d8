// What scripts add: a menu that folds on small screens, drag and drop, and the progress
// of an upload. Without them every page works as well.
"use strict";
document.documentElement.classList.add("scripted");

const toggle = document.querySelector(".nav__toggle");
if (toggle) {
	toggle.hidden = false;
	toggle.addEventListener("click", () => toggle.setAttribute("aria-expanded", String(toggle.getAttribute("aria-expanded") !== "true")));
}
document.querySelector("#fehler")?.focus();

// A frame that has the focus matches no selector: the page says it in a class.
const framed = () => { for (const f of document.querySelectorAll("iframe")) f.classList.toggle("focused", f === document.activeElement); };
for (const type of ["blur", "focus"]) addEventListener(type, () => setTimeout(framed));

const form = document.querySelector("#upload");
if (form) {
	const zone = form.querySelector("[data-drop]"), input = form.querySelector("#f-file"), list = zone.querySelector(".drop__list");
	const dropped = new DataTransfer();
	zone.querySelector(".drop__hint").hidden = false;
	const show = () => list.replaceChildren(...[...input.files].map((file) => Object.assign(document.createElement("li"), { textContent: file.name })));
	input.addEventListener("change", show);

	// A folder comes as a tree that has to be walked; readEntries gives a piece at a time.
	const walk = async (entry) => {
		if (entry.isFile) {
			dropped.items.add(await new Promise((done, fail) => entry.file(done, fail)));
			return;
		}
		const reader = entry.createReader();
		for (;;) {
			const some = await new Promise((done, fail) => reader.readEntries(done, fail));
			if (some.length === 0) return;
			for (const inner of some) await walk(inner);
		}
	};
	for (const type of ["dragenter", "dragover"]) zone.addEventListener(type, (e) => { e.preventDefault(); zone.classList.add("drop--over"); });
	zone.addEventListener("dragleave", () => zone.classList.remove("drop--over"));
	zone.addEventListener("drop", async (e) => {
		e.preventDefault();
		zone.classList.remove("drop--over");
		for (const entry of [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean)) await walk(entry);
		input.files = dropped.files;
		show();
	});

	form.addEventListener("submit", (e) => {
		e.preventDefault();
		const button = form.querySelector("button.kern-btn--primary"), progress = form.querySelector(".upload-progress");
		button.disabled = true;
		progress.hidden = false;
		const request = new XMLHttpRequest();
		request.open("POST", form.action);
		request.upload.addEventListener("progress", (p) => { if (p.lengthComputable) progress.querySelector("progress").value = 100 * p.loaded / p.total; });
		request.addEventListener("load", () => {
			if (request.status < 400 && request.responseURL !== form.action) {
				location.assign(request.responseURL);
				return;
			}
			const page = new DOMParser().parseFromString(request.responseText, "text/html");
			document.querySelector("main").replaceWith(page.querySelector("main"));
			document.querySelector("#fehler")?.focus();
		});
		request.addEventListener("error", () => form.submit());
		request.send(new FormData(form));
	});
}

// Nothing is sent twice: not by a second click either.
for (const other of document.querySelectorAll("form[method=post]:not(#upload)")) {
	other.addEventListener("submit", (e) => {
		if (other.dataset.sent) e.preventDefault();
		other.dataset.sent = "1";
	});
}
addEventListener("pageshow", () => { for (const f of document.forms) delete f.dataset.sent; });
