// The dialog with the keyboard shortcuts.

import { css } from './css.js'

export const KEYS = css`
  .keys {
    width: min(32em, calc(100vw - 2em));
    padding: 1.2em 1.4em;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--panel);
    color: var(--ink);
  }
  .keys::backdrop {
    background: rgb(10 15 22 / 0.5);
  }
  .keys dl {
    display: grid;
    gap: 0.3em;
    margin: 0.8em 0;
  }
  .keys dl div {
    display: grid;
    grid-template-columns: 7em minmax(0, 1fr);
    gap: 0.75em;
  }
  .keys label {
    display: flex;
    gap: 0.5em;
    align-items: center;
    min-height: 24px;
  }
  .keys > button {
    margin-top: 0.8em;
  }
`
