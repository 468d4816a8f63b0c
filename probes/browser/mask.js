// Hides what is private in a page while its picture is taken: what was typed, e-mail addresses, telephone
// numbers, and the texts that it is given. `null` shows it again, as it was.
(secrets) => {
  for (const undo of (window.__masked ?? []).reverse()) undo();
  const undone = window.__masked = [];
  if (secrets === null) return;
  const HIDDEN = "•••";
  const shapes = [/[^\s@<>"']+@[^\s@<>"']+/g, /\b(?:Bearer\s+)?[A-Za-z0-9_\-.]{24,}\b/g, /\+?\d[\d\s()/-]{6,}\d/g];
  const clean = (text) => {
    let found = text;
    for (const secret of secrets) found = found.split(secret).join(HIDDEN);
    for (const shape of shapes) found = found.replace(shape, HIDDEN);
    return found;
  };
  const set = (holder, name, now) => {
    const was = holder[name];
    if (was === now) return;
    undone.push(() => { holder[name] = was; });
    holder[name] = now;
  };
  const visit = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) visit(node.shadowRoot);
      // What can't be written over is not shown at all.
      const opaque = "canvas, video, object, embed, select, [contenteditable], input:is([type=date], [type=file])";
      if (node.matches(opaque)) set(node.style, "visibility", "hidden");
      else if (node.matches("input:not([type=submit],[type=button],[type=radio],[type=checkbox]), textarea")) {
        set(node, "value", node.value && HIDDEN);
      }
      for (const name of ["placeholder", "title", "alt", "label"]) {
        const written = node.getAttributeNode(name);
        if (written) set(written, "value", clean(written.value));
      }
      for (const child of node.childNodes) if (child.nodeType === Node.TEXT_NODE) set(child, "data", clean(child.data));
    }
  };
  visit(document);
};
