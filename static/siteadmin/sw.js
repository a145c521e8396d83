// Shows notifications sent by Web Push, and opens what is clicked: the event, or the page of an action.
self.addEventListener("push", (event) => {
  let shown = {};
  try {
    shown = event.data ? event.data.json() : {};
  } catch {
    // A browser may warn the user where nothing is shown at all.
  }
  const actions = shown.actions || [];
  // The same message again replaces the first one without a further sound.
  const options = {
    body: shown.body || "",
    tag: shown.tag || "siteadmin",
    actions: actions.map(({ action, title }) => ({ action, title })),
    data: { url: shown.url || "/", urls: Object.fromEntries(actions.map(({ action, url }) => [action, url])) },
  };
  event.waitUntil(self.registration.showNotification(shown.title || "siteadmin", options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url, urls = {} } = event.notification.data;
  const target = new URL(urls[event.action] || url, self.location.origin);
  if (target.origin === self.location.origin) {
    event.waitUntil(self.clients.openWindow(target.href));
  }
});
