// What a page does to whoever looks at it, told to the gate as it happens.
(() => {
  const tell = (kind, value) => globalThis.__gate_saw?.(kind, value);
  const observe = (type, read) => {
    try {
      new PerformanceObserver((list) => list.getEntries().forEach(read)).observe({ type, buffered: true });
    } catch {
      // This browser does not measure it.
    }
  };
  observe("longtask", (entry) => tell("long task", entry.duration));
  observe("layout-shift", (entry) => entry.hadRecentInput || tell("layout shift", entry.value));
  document.addEventListener("securitypolicyviolation", (event) =>
    tell("policy violation", `${event.effectiveDirective} ${event.blockedURI}`));
})();
