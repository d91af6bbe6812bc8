// One draft as large as the window, with the same keys as the sheet.

import { approve, canChoose } from "./decide.mjs";
import { html, useEffect, useState } from "./html.mjs";
import { Icon } from "./icons.mjs";
import { isAwaiting } from "./live.mjs";
import { may } from "./session.mjs";
import { money } from "./format.mjs";
import { Dialog, JobStatus, Picture, isForPage, useAction } from "./ui.mjs";
import { to } from "./router.mjs";

const QUALITIES = ["standard", "high", "ultra"];

/** Which image of a draft is looked at, and approved where the server takes a choice. */
export function Choices({ job, chosen, choose }) {
  if ((job.image_count ?? 1) < 2) return null;
  return html`<div class="choices" role="radiogroup" aria-label="Image of this draft">
    ${Array.from({ length: job.image_count }, (_, index) => {
      const image = job.images?.[index];
      return html`<button key=${index} role="radio" aria-checked=${index === chosen} aria-label=${`Image ${index + 1} of ${job.image_count}`}
        tabindex=${index === chosen ? 0 : -1} onClick=${(event) => { event.stopPropagation(); choose(index); }}>
        ${image ? html`<${Picture} image=${{ ...image, alt_text: "" }} src=${image.thumbnail_url} />` : index + 1}
        <kbd>${index + 1}</kbd></button>`;
    })}
  </div>`;
}

export function useCanChoose(job) {
  const [can, setCan] = useState(false);
  const isSeveral = (job?.image_count ?? 1) > 1;
  useEffect(() => { if (isSeveral) canChoose().then(setCan); }, [isSeveral]);
  return can && isSeveral;
}

export function Loupe({ job, position, total, chosen, choose, move, onReject, onRevise, onCompare, onDone, onClose }) {
  const [quality, setQuality] = useState("");
  const canPick = useCanChoose(job);
  const [isRunning, run] = useAction(async () => {
    await approve(job, { quality: quality || undefined, image: canPick ? chosen : undefined });
    onDone();
  });
  const isOpen = isAwaiting(job) && may("review");
  const image = job.images?.[chosen] ?? job;
  const onKeyDown = (event) => {
    if (!isForPage(event) || event.target.closest("dialog") !== event.currentTarget) return;
    const act = {
      ArrowRight: () => move(1), ArrowDown: () => move(1), ArrowLeft: () => move(-1), ArrowUp: () => move(-1),
      ...(isOpen ? { a: run, r: onReject, e: onRevise } : {}),
      ...(onCompare ? { c: onCompare } : {}),
    }[event.key] ?? (/^[1-4]$/.test(event.key) && event.key <= (job.image_count ?? 1) ? () => choose(event.key - 1) : null);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  const final = job.review?.final;
  return html`<${Dialog} title=${`Draft ${position} of ${total}`} onClose=${onClose} className="full dark loupe" onKeyDown=${onKeyDown}>
    <div class="loupe-stage">
      <button class="quiet step" aria-label="Draft before" onClick=${() => move(-1)}><${Icon} name="left" /></button>
      <div class="loupe-image" style=${{ "--shape": image.width / image.height }}><${Picture} key=${image.url} image=${image} src=${image.url} isEager /></div>
      <button class="quiet step" aria-label="Next draft" onClick=${() => move(1)}><${Icon} name="right" /></button>
    </div>
    <div class="loupe-foot">
      <div class="loupe-told">
        <p class="prompt">${job.title ?? job.alt_text}</p>
        <p class="edge mono"><${JobStatus} job=${job} /><span>${image.width} × ${image.height}</span><span>${job.provider}/${job.model}</span>
          <span>draft ${money(job.cost?.amount_usd)}</span>
          ${final && html`<span>final ${final.width} × ${final.height}, ${money(final.price_usd)}</span>`}
          <a href=${to("jobs", job.job_id)}>Job</a></p>
      </div>
      <${Choices} job=${job} chosen=${chosen} choose=${choose} />
      <div class="actions">
        ${isOpen && html`
          <label class="inline">Final <select value=${quality} onChange=${(event) => setQuality(event.target.value)}>
            <option value="">as planned${final ? ` (${final.quality})` : ""}</option>
            ${QUALITIES.map((each) => html`<option key=${each}>${each}</option>`)}</select></label>
          <button onClick=${onReject}><${Icon} name="reject" />Reject <kbd>r</kbd></button>
          <button onClick=${onRevise}><${Icon} name="edit" />Changes <kbd>e</kbd></button>
          <button class="primary" disabled=${isRunning} onClick=${run} autofocus><${Icon} name="approve" />${isRunning ? "Approving…" : "Approve"} <kbd>a</kbd></button>`}
        ${onCompare && html`<button class="primary" onClick=${onCompare}><${Icon} name="compare" />Compare <kbd>c</kbd></button>`}
      </div>
    </div>
  <//>`;
}
