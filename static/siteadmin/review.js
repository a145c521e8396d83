// Keys of the queue: each presses the button or follows the link that names it in `aria-keyshortcuts`.
(() => {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const found = document.querySelector(`.sa-review [aria-keyshortcuts="${CSS.escape(name)}"]`);
    if (!found) return;
    event.preventDefault();
    found.click();
  });
})();
