// The API key, and where the server is.

const NAME = "asrcli-key";

export function storedKey() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage is switched off: the key is asked for on every visit
  }
}

export function storeKey(key) {
  try {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
  } catch {
    // as above
  }
}

export function authorization() {
  const key = storedKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Where the server's root is, also behind a proxy that serves it below some folder. */
export const root = new URL("../../", import.meta.url);

/** A WebSocket's address. Browsers let scripts set no header there, so the key goes into the query. */
export function socketAddress(path, query = {}) {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  url.protocol = url.protocol.replace("http", "ws");
  if (storedKey()) url.searchParams.set("token", storedKey());
  return url;
}

/** Shows the key dialog; resolves when it is closed, true if a key was given. */
export function askForKey(wrong = "") {
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key");
  const complaint = document.getElementById("key-wrong");
  complaint.textContent = wrong;
  complaint.hidden = !wrong;
  field.value = storedKey();
  if (!dialog.open) {
    dialog.returnValue = "";
    dialog.showModal();
  }
  field.focus();
  document.getElementById("key-form").onsubmit = (event) => {
    event.preventDefault();
    storeKey(field.value.trim());
    dialog.close("given");
  };
  document.getElementById("key-cancel").onclick = () => dialog.close();
  // Several failures may ask at a time.
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "given"), { once: true });
  });
}
