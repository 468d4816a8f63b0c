// What of a page does not fit into its window's width: how far it scrolls sideways, and what is cut off.
async width => {
    // The window's new size takes a moment to reach the page.
    for (let frame = 0; frame < 60 && innerWidth !== width; frame += 1) await new Promise(requestAnimationFrame);
    const page = document.documentElement, edge = page.clientWidth + 1;
    const name = one => one.tagName.toLowerCase() + (one.id ? `#${one.id}` : "") +
        [...one.classList].map(word => `.${word}`).join("");
    const parents = one => one ? [one, ...parents(one.parentElement)] : [];
    // A box that scrolls by itself may hold a wide table: WCAG 1.4.10 allows that.
    const scrolls = one => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
    const own = one => parents(one.parentElement).some(box => box !== page && box !== document.body && scrolls(box));
    const says = one => one.matches("img,input,select,textarea,button,svg,canvas,video,iframe") ||
        [...one.childNodes].some(part => part.nodeType === 3 && part.data.trim());
    const wide = [...document.body.querySelectorAll("*")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.width > 1 && box.height > 1 && box.right > edge && says(one) && !own(one) &&
            one.checkVisibility({visibilityProperty: true}) && !one.closest("[aria-hidden=true]");
    });
    return {
        width: innerWidth,
        sideways: Math.max(page.scrollWidth, document.body.scrollWidth) - page.clientWidth,
        wide: wide.slice(0, 5).map(name),
    };
}
