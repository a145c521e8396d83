// Shows notifications sent by Web Push, and opens the event when one is clicked.
self.addEventListener("push", (event) => {
  let shown = {};
  try {
    shown = event.data ? event.data.json() : {};
  } catch {
    // A browser may warn the user where nothing is shown at all.
  }
  // The same message again replaces the first one without a further sound.
  const options = { body: shown.body || "", tag: shown.tag || "siteadmin", data: { url: shown.url || "/" } };
  event.waitUntil(self.registration.showNotification(shown.title || "siteadmin", options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const target = new URL(event.notification.data.url, self.location.origin);
  if (target.origin === self.location.origin) {
    event.waitUntil(self.clients.openWindow(target.href));
  }
});
