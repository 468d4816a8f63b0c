// What a page does to whoever looks at it, told to the gate as it happens.
(() => {
  const tell = (kind, value) => globalThis.__gate_saw?.(kind, value);
  const pending = [];
  const observe = (type, read) => {
    try {
      const observer = new PerformanceObserver((list) => list.getEntries().forEach(read));
      observer.observe({ type, buffered: true });
      pending.push(() => observer.takeRecords().forEach(read));
    } catch {
      // This browser does not measure it.
    }
  };
  // An observer hears of what was a moment ago; a walk that ends asks for it.
  globalThis.__gate_tell_all = () => pending.forEach((one) => one());
  observe("longtask", (entry) => tell("long task", entry.duration));
  observe("layout-shift", (entry) => entry.hadRecentInput || tell("layout shift", entry.value));
  document.addEventListener("securitypolicyviolation", (event) =>
    tell("policy violation", `${event.effectiveDirective} ${event.blockedURI}`));
})();
