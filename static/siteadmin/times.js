// Times in the viewer's zone: tell the server which one it is, and say ages in words that stay true.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  if (zone) document.cookie = `timezone=${zone}; path=/; max-age=31536000; SameSite=Lax${secure}`;

  const steps = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]];
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

  function age(date) {
    const seconds = (date - Date.now()) / 1000;
    const [, unit, size] = steps.find(([limit]) => Math.abs(seconds) < limit);
    return words.format(Math.round(seconds / size), unit);
  }

  function show(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const date = new Date(time.dateTime);
      if (isNaN(date)) continue;
      const exact = clock.format(date);
      time.title = exact;
      time.textContent = "age" in time.dataset ? age(date) : exact;
    }
  }

  addEventListener("DOMContentLoaded", () => {
    show(document);
    document.body.addEventListener("htmx:afterSwap", (event) => show(event.detail.elt.parentElement || document));
    setInterval(() => show(document), 1000);
    // A picture that is gone or not there yet leaves its frame, not a broken icon.
    document.addEventListener("error", (event) => {
      if (event.target.tagName === "IMG") event.target.classList.add("is-missing");
    }, true);
  });
})();
