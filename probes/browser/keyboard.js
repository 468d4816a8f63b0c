// What the Tab key has to reach in a page (`collect`), and where it has taken the focus (`active`).
async ask => {
    const NATIVE = "a[href],area[href],button,input:not([type=hidden]),select,textarea,summary,iframe," +
        "audio[controls],video[controls],[contenteditable]:not([contenteditable=false])";
    const ROLES = ["button", "link", "checkbox", "radio", "switch", "tab", "menuitem", "combobox", "textbox",
        "searchbox", "slider", "spinbutton"].map(role => `[role=${role}]`).join();
    const every = root => [...root.querySelectorAll("*")].flatMap(
        one => [one, ...(one.shadowRoot ? every(one.shadowRoot) : [])]);
    const usable = one => !one.matches(":disabled") && !one.closest("[inert],[aria-disabled=true]") &&
        one.checkVisibility({visibilityProperty: true});
    const deepest = one => one && one.shadowRoot && one.shadowRoot.activeElement
        ? deepest(one.shadowRoot.activeElement) : one;
    // One stop for a group whose members the arrow keys reach.
    const group = one => one.matches("input[type=radio]") && one.name
        ? `${one.form ? one.form.id : ""}/${one.name}`
        : one.closest("[role=radiogroup],[role=tablist],[role=menu],[role=menubar],[role=listbox],[role=grid]") || one;
    const label = one => (one.getAttribute("aria-label") || (one.labels && one.labels[0] && one.labels[0].innerText) ||
        one.innerText || one.title || one.id || one.tagName.toLowerCase()).trim().replace(/\s+/g, " ").slice(0, 60);
    const kind = one => one.getAttribute("role") || {a: "link", input: one.type}[one.tagName.toLowerCase()] ||
        one.tagName.toLowerCase();
    if (ask === "collect") {
        const modal = document.querySelector("dialog:modal");
        const all = every(modal || document).filter(one => (one.matches(NATIVE) || one.matches(ROLES) ||
            one.matches("[onclick]") || one.tabIndex >= 0) && usable(one));
        window.__stops = [...new Map(all.map(one => [group(one), one])).keys()];
        const first = stop => all.find(one => group(one) === stop);
        // What was just changed is painted before pictures are compared.
        for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
        return window.__stops.map(first).map(
            (one, place) => ({name: label(one), kind: kind(one), ahead: place > 0 && one.tabIndex > 0}));
    }
    if (ask === "start") {
        // What follows begins where the page, or its open dialog, does.
        const start = document.querySelector("dialog:modal") || document.body;
        const had = start.getAttribute("tabindex");
        start.tabIndex = -1;
        start.focus({preventScroll: true});
        if (had === null) start.removeAttribute("tabindex"); else start.setAttribute("tabindex", had);
    }
    const one = deepest(document.activeElement);
    if (ask === "active") {
        if (!one || one.matches("body,html,dialog:modal")) return null;
        const box = one.getBoundingClientRect();
        return {
            stop: window.__stops.indexOf(group(one)), name: label(one), kind: kind(one),
            box: {x: box.x, y: box.y, width: box.width, height: box.height},
        };
    }
    if (ask === "leave") { window.__left = one; one.blur(); }
    if (ask === "back") window.__left.focus({preventScroll: true});
}
