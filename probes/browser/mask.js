// Takes what is private out of a page before its picture is taken: what was typed, e-mail addresses,
// telephone numbers, and the texts that it is given. The page is of no further use then.
(secrets) => {
  const HIDDEN = "•••";
  const shapes = [/[^\s@<>"']+@[^\s@<>"']+/g, /\b(?:Bearer\s+)?[A-Za-z0-9_\-.]{24,}\b/g, /\+?\d[\d\s()/-]{6,}\d/g];
  const clean = (text) => {
    let found = text;
    for (const secret of secrets) found = found.split(secret).join(HIDDEN);
    for (const shape of shapes) found = found.replace(shape, HIDDEN);
    return found;
  };
  const visit = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) visit(node.shadowRoot);
      if (node.matches("input:not([type=submit],[type=button],[type=radio],[type=checkbox]), textarea")) {
        node.type === "date" || node.type === "file" ? node.remove() : (node.value = node.value && HIDDEN);
      }
      if (node.isContentEditable) node.textContent = HIDDEN;
      if (node.matches("canvas, video, object, embed")) node.remove();
      for (const name of ["placeholder", "title", "alt", "label"]) {
        if (node.hasAttribute(name)) node.setAttribute(name, clean(node.getAttribute(name)));
      }
      for (const child of node.childNodes) {
        if (child.nodeType === Node.TEXT_NODE && clean(child.data) !== child.data) child.data = clean(child.data);
      }
    }
  };
  visit(document);
};
