// Before a page loads: notes every animation and transition that starts, with its whole duration in ms.
(() => {
    const seen = window.__motion = [];
    const name = one => one.tagName.toLowerCase() + (one.id ? `#${one.id}` : "") +
        [...one.classList].map(word => `.${word}`).join("");
    const note = animation => {
        const effect = animation.effect, target = effect && effect.target;
        if (!target) return;
        const what = animation.animationName || animation.transitionProperty || animation.id || "script";
        const lasts = Number(effect.getComputedTiming().activeDuration);
        seen.push({what, where: name(target), ms: Number.isFinite(lasts) ? lasts : -1});
    };
    const started = event => event.target.getAnimations && event.target.getAnimations({subtree: true}).forEach(note);
    document.addEventListener("animationstart", started, true);
    document.addEventListener("transitionrun", started, true);
    window.__running = () => {
        document.getAnimations().forEach(note);
        const once = new Map(seen.splice(0).map(one => [JSON.stringify(one), one]));
        return {reduced: matchMedia("(prefers-reduced-motion: reduce)").matches, moves: [...once.values()]};
    };
})();
