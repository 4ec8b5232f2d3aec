// The desk's frame: the line with the agent's name and controls, the warnings below it, dialogs and menus.

import { css } from './css.js'

export const HEADER = css`
  .desk {
    position: relative;
    display: flex;
    flex-direction: column;
    height: 100%;
    padding: 0.9em 1em 1em;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--panel);
    container-type: inline-size;
  }
  .desk > header {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.3em 0.9em;
  }
  .whose {
    display: flex;
    flex: 1 1 10em;
    gap: 0.1em 0.8em;
    align-items: baseline;
    min-width: 0;
  }
  h2 {
    overflow: hidden;
    font-size: 1.15em;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .link {
    flex: 1 1 5.4em;
    min-width: 0.6em;
    overflow: hidden;
    color: var(--warn);
    font-size: 0.85em;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .link::before {
    content: '';
    display: inline-block;
    width: 0.65em;
    height: 0.65em;
    margin-inline-end: 0.4em;
    border-radius: 50%;
    background: currentColor;
  }
  .link[data-state='open'] {
    color: var(--good);
  }
  .link[data-state='closed'] {
    color: var(--bad);
  }

  .switch {
    display: inline-flex;
    align-items: center;
    gap: 0.4em;
    min-height: 2em;
    font-size: 0.9em;
  }
  .switch input {
    appearance: none;
    position: relative;
    flex: none;
    width: 2.6em;
    height: 1.6em;
    margin: 0;
    border: 2px solid transparent;
    border-radius: 1em;
    background: var(--faint);
    cursor: pointer;
  }
  .switch input::after {
    content: '';
    position: absolute;
    inset-block-start: 0.15em;
    inset-inline-start: 0.15em;
    width: 1em;
    height: 1em;
    border-radius: 50%;
    background: var(--panel);
    transition: translate 0.12s;
  }
  .switch input:checked {
    background: var(--good);
  }
  .switch input:checked::after {
    translate: 1em;
  }
  .switch input:checked:dir(rtl)::after {
    translate: -1em;
  }

  .menu {
    position: relative;
    flex: none;
  }
  .menu > summary,
  .toggle {
    display: grid;
    place-items: center;
    width: 2em;
    min-height: 2em;
    padding: 0;
    border: 1px solid transparent;
    border-radius: var(--round);
    background: none;
    color: var(--faint);
    list-style: none;
  }
  /* The picture may change while it is pressed. */
  .menu > summary * {
    display: grid;
    pointer-events: none;
  }
  .menu > summary::-webkit-details-marker {
    display: none;
  }
  .menu > summary:hover,
  .toggle:hover {
    border-color: var(--line);
    color: var(--ink);
  }
  .menu[data-muted] > summary {
    background: var(--warn-ground);
    color: var(--warn);
  }
  .menu[data-rings] > summary {
    background: var(--accent-ground);
    color: var(--accent);
  }
  .menu > div,
  .over-desk {
    position: absolute;
    z-index: 3;
    inset-block-start: calc(100% + 0.4em);
    inset-inline-end: 0;
    display: grid;
    gap: 0.6em;
    padding: 0.8em 1em;
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    background: var(--card);
    color: var(--ink);
    box-shadow: 0 6px 24px rgb(0 0 0 / 0.22);
  }
  .menu > div {
    width: max-content;
    max-width: min(20em, 85cqi);
  }
  /* One line of one height: it changes, and nothing below it moves. */
  .line {
    display: grid;
    align-items: center;
    min-height: 2.4em;
    margin-top: 0.4em;
    font-size: 0.9em;
  }
  .line > * {
    grid-area: 1 / 1;
    min-width: 0;
  }
  .stale {
    align-self: center;
    display: -webkit-box;
    overflow: hidden;
    padding: 0 0.7em;
    border: solid transparent;
    border-width: 0.35em 0;
    border-radius: var(--round);
    background: var(--warn-ground);
    color: var(--warn);
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 2;
  }
  /* A fault covers the lower end of the desk, for the same reason. */
  .fault {
    position: sticky;
    z-index: 2;
    inset-block-end: 0.8em;
    margin-top: 0.6em;
    padding: 0.5em 0.8em;
    border: 1px solid var(--bad);
    border-radius: var(--round);
    background: var(--bad-ground);
    color: var(--bad);
    overflow-wrap: anywhere;
  }
  .fault[data-kind='hint'] {
    border-color: var(--warn);
    background: var(--warn-ground);
    color: var(--warn);
  }
  .fault:empty {
    display: none;
  }

  @container (max-width: 34em) {
    .desk > header {
      gap: 0.2em 0.6em;
    }
    .whose {
      flex: 1 1 100%;
    }
    .switch {
      flex: 1;
    }
    .line {
      min-height: 3.4em;
    }
    .stale {
      -webkit-line-clamp: 3;
    }
  }
`
