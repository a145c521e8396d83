// Enables notifications in this browser: asks for permission, subscribes, and hands the subscription to the site.
(() => {
  const form = document.getElementById("push-enable");
  const status = document.getElementById("push-status");
  const button = form.querySelector("button");
  const say = (text) => { status.textContent = text; };

  if (!window.isSecureContext) {
    say("This page was not opened over HTTPS or on localhost, so browsers allow no notifications here.");
    return;
  }
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    say("This browser cannot show notifications. On an iPhone or iPad, add the site to the home screen first.");
    return;
  }
  button.disabled = false;

  // Marks the entry of this browser in the list; addresses are secrets, so their digests are compared.
  const markThis = async () => {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const known = registration && (await registration.pushManager.getSubscription());
    if (!known) {
      return;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(known.endpoint)));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const entry = document.querySelector(`[data-endpoint="${hex}"] .sa-grow`);
    if (entry) {
      entry.append(" (this browser)");
      say("This browser shows notifications.");
    }
  };
  markThis();

  const bytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4);
    return Uint8Array.from(atob(padded), (sign) => sign.charCodeAt(0));
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if ((await Notification.requestPermission()) !== "granted") {
        say("The browser was told to show no notifications of this site; its settings can change that.");
        return;
      }
      const registration = await navigator.serviceWorker.register("/sw.js");
      await navigator.serviceWorker.ready;
      const old = await registration.pushManager.getSubscription();
      if (old) {
        await old.unsubscribe();
      }
      const made = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: bytes(form.dataset.key),
      });
      const plain = made.toJSON();
      form.elements.endpoint.value = plain.endpoint;
      form.elements.p256dh.value = plain.keys.p256dh;
      form.elements.auth.value = plain.keys.auth;
      form.submit();
    } catch (error) {
      say(`The browser refused: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  });
})();
