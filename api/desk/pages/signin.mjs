// The door: a key, kept no longer than is wished.

import { html, useState } from "../html.mjs";
import { keepKey } from "../session.mjs";
import { Mark } from "../mark.mjs";
import { Field } from "../ui.mjs";

export function SignIn({ told, enter }) {
  const [key, setKey] = useState("");
  const [isRemembered, setRemembered] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    keepKey(key.trim(), isRemembered);
    enter();
  };
  return html`<main class="gate"><h1 class="wordmark"><${Mark} />Darkroom</h1>
    <form class="card" onSubmit=${submit}>
      <${Field} label="API key" error=${told} hint="An administrator makes one with darkroom keys create.">${(field) => html`
        <input ...${field} type="password" autocomplete="current-password" required autofocus spellcheck=${false} placeholder="dk_…" value=${key} onInput=${(event) => setKey(event.target.value)} />`}<//>
      <label class="check"><input type="checkbox" checked=${isRemembered} onChange=${(event) => setRemembered(event.target.checked)} />
        <span>Stay signed in on this computer<small>Else the key is forgotten with this tab.</small></span></label>
      <button class="primary">Sign in</button>
    </form></main>`;
}
