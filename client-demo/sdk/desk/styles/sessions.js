// The body of the desk, and its second column: the sessions, breaches at other desks, recent activity.

import { css } from './css.js'

export const SESSIONS = css`
  .body {
    display: grid;
    flex: 1;
    align-content: start;
    gap: 1em 1.5em;
    margin-top: 0.5em;
  }
  .body > * {
    min-width: 0;
  }
  /* What is shown may be out of date. */
  .not-fresh .body {
    border-radius: var(--round);
    outline: 2px dashed var(--warn);
    outline-offset: 4px;
  }
  .rail {
    display: flex;
    flex-direction: column;
  }
  .rail h3:not(:first-child) {
    margin-top: 1em;
  }
  .search {
    margin-top: 0.45em;
  }
  .sessions {
    display: grid;
    align-content: start;
    gap: 0.5em;
    margin-top: 0.45em;
  }
  .sessions:empty {
    margin: 0;
  }
  .sessions li {
    display: grid;
    grid-template-columns: auto minmax(0, 1fr) auto;
    gap: 0.3em 0.7em;
    padding: 0.55em 0.65em;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) * 0.9);
    background: var(--card);
  }
  .face,
  .about {
    grid-row: 1 / 3;
  }
  .about {
    align-self: center;
    min-width: 0;
  }
  /* Whatever changes in a row leaves its button where it is. */
  .sessions button {
    grid-column: 3;
    place-self: start end;
    background: transparent;
  }
  .face {
    position: relative;
    display: grid;
    place-items: center;
    width: 2.2em;
    height: 2.2em;
    border-radius: 50%;
    background: var(--accent-ground);
    color: var(--accent);
  }
  .mark {
    position: absolute;
    inset-block-start: -0.25em;
    inset-inline-end: -0.25em;
    display: inline-grid;
    place-items: center;
    width: 1.35em;
    height: 1.35em;
    border-radius: 50%;
    background: var(--mark);
    box-shadow: 0 0 0 2px var(--card);
    color: var(--mark-ink);
    font-size: 0.85em;
    font-weight: 700;
  }
  .title {
    font-weight: 600;
    -webkit-line-clamp: 2;
  }
  .unread {
    padding: 0 0.5em;
    border-radius: 1em;
    background: var(--accent);
    color: var(--accent-ink);
    font-weight: 600;
  }
  .breached {
    border-color: var(--mark) !important;
  }
  .details {
    display: -webkit-box;
    overflow: hidden;
    color: var(--bad);
    font-size: 0.88em;
    overflow-wrap: anywhere;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
  }
  .since {
    color: var(--faint);
  }
  .ending-session .title {
    color: var(--faint);
    font-weight: 400;
  }
  .elsewhere {
    margin-top: 0.6em;
    color: var(--faint);
    font-size: 0.9em;
  }
  .elsewhere summary {
    min-height: max(1.8em, 24px);
    width: fit-content;
  }
  .elsewhere ul {
    max-height: 8em;
    overflow-y: auto;
  }
  .elsewhere li {
    padding: 0.1em 0;
    overflow-wrap: anywhere;
  }
  .past li {
    display: flex;
    gap: 0.75em;
    justify-content: space-between;
    padding: 0.15em 0;
    color: var(--faint);
    font-size: 0.92em;
  }
  .past li:first-child {
    color: var(--ink);
  }
  .past li[data-missed] {
    color: var(--alarm);
  }
  .past li > span {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .past time {
    flex: none;
    color: var(--faint);
    font-variant-numeric: tabular-nums;
  }

  @container (min-width: 56em) {
    .body {
      grid-template-columns: minmax(0, 1fr) 21em;
      align-content: stretch;
    }
    .rail {
      max-height: max(30em, calc(var(--deskbell-height, 100dvh) - 10em));
      padding-inline-start: 1.5em;
      border-inline-start: 1px solid var(--line);
    }
    /* Live sessions take the height that is left; recent activity never pushes them out. */
    .sessions {
      flex: 0 1 auto;
      min-height: 0;
      margin-inline: -0.4em;
      padding: 0.2em 0.4em;
      overflow-y: auto;
      scrollbar-width: thin;
    }
    .rail > :not(.sessions) {
      flex: none;
    }
    .past {
      max-height: 8em;
      overflow-y: auto;
      scrollbar-width: thin;
    }
  }
  @container (min-width: 78em) {
    .body {
      grid-template-columns: minmax(0, 1fr) 26em;
    }
  }
  @container (min-width: 110em) {
    .body {
      grid-template-columns: minmax(0, 1fr) 52em;
    }
    .sessions {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }

  /* Panel: beside another application. */
  [data-layout='panel'].desk,
  [data-layout='bar'].desk {
    padding: 0.6em 0.7em;
  }
  [data-layout='panel'] .body {
    grid-template-columns: minmax(0, 1fr);
  }
  [data-layout='panel'] .rail {
    max-height: none;
    padding: 0;
    border: 0;
  }
  [data-layout='panel'] h2 {
    font-size: 1em;
  }
  [data-layout='panel'] .link[data-state='open'] > span {
    position: absolute;
    clip-path: inset(50%);
  }

  /* Bar: one line, which opens below itself when it rings. */
  [data-layout='bar'] .line {
    min-height: 0;
    margin: 0;
  }
  [data-layout='bar'] .whose {
    flex: 1 1 6em;
  }
  [data-layout='bar'] .whose .link > span,
  [data-layout='bar'] .switch > span {
    position: absolute;
    clip-path: inset(50%);
  }
  [data-layout='bar'] h2 {
    font-size: 1em;
  }
  [data-layout='bar'] .switch {
    flex: none;
  }
  [data-layout='bar']:not([data-open]) :is(.body, .preflight) {
    display: none;
  }
  [data-layout='bar'][data-open='ringing'] .rail {
    display: none;
  }
  [data-layout='bar'][data-open='ringing'] .body {
    grid-template-columns: minmax(0, 1fr);
  }
  .summary {
    flex: none;
    font-weight: 600;
  }
  .toggle .picture {
    transition: rotate 0.12s;
  }
  [data-open='all'] .toggle .picture {
    rotate: 180deg;
  }

  @media (forced-colors: active) {
    ::placeholder {
      color: FieldText;
    }
    .chosen,
    .place:focus-within .card {
      outline: 2px solid Highlight;
    }
    .lamp,
    .link::before {
      forced-color-adjust: none;
      background: CanvasText;
    }
    .switch input {
      border-color: ButtonText;
      background: Canvas;
      forced-color-adjust: none;
    }
    .switch input::after {
      background: ButtonText;
    }
    .switch input:checked {
      background: Highlight;
    }
    .switch input:checked::after {
      background: HighlightText;
    }
    .card progress {
      height: 5px;
      border-bottom: 1px solid CanvasText;
      forced-color-adjust: none;
    }
    progress::-webkit-progress-value,
    .urgent progress::-webkit-progress-value {
      background: Highlight;
      opacity: 1;
    }
    progress::-moz-progress-bar,
    .urgent progress::-moz-progress-bar {
      background: Highlight;
      opacity: 1;
    }
    .mark,
    .unread {
      border: 1px solid CanvasText;
    }
    [aria-pressed='true'] {
      outline: 2px solid Highlight;
    }
  }
`
