// Before a page loads: what it makes its reader wait for, and what moves under their hands.
(() => {
    const seen = window.__vitals = {lcp: null, shifts: [], interactions: {}};
    const watch = (type, note, more = {}) => new PerformanceObserver(list => list.getEntries().forEach(note))
        .observe({type, buffered: true, ...more});
    watch("largest-contentful-paint", one => { seen.lcp = one.startTime; });
    watch("layout-shift", one => { if (!one.hadRecentInput) seen.shifts.push([one.startTime, one.value]); });
    watch("event", one => {
        if (one.interactionId) seen.interactions[one.interactionId] =
            Math.max(seen.interactions[one.interactionId] || 0, one.duration);
    }, {durationThreshold: 16});
})();
