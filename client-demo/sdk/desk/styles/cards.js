// What rings.

import { css } from './css.js'

export const CARDS = css`
  h3 {
    width: fit-content;
    color: var(--faint);
    font-size: 0.8em;
    font-weight: 600;
    letter-spacing: 0.04em;
    text-transform: uppercase;
  }
  .incoming > .empty {
    overflow-wrap: anywhere;
  }
  .cards {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(17.5em, 100%), 1fr));
    gap: 0.8em;
    margin-top: 0.45em;
  }
  .cards:empty {
    margin: 0;
  }
  .place {
    display: grid;
    min-width: 0;
  }
  .empty-place {
    border: 1px dashed var(--line);
    border-radius: var(--radius);
  }

  .card {
    position: relative;
    display: flex;
    flex-direction: column;
    min-width: 0;
    overflow: hidden;
    padding: 0.85em 0.9em 0.8em;
    border: 1px solid var(--edge);
    border-radius: var(--radius);
    background: var(--card);
    box-shadow: var(--shade);
  }
  .card:focus-visible {
    outline-offset: 1px;
  }
  .card.chosen {
    border-color: var(--accent);
  }
  .card header {
    display: flex;
    align-items: flex-start;
    gap: 0.65em;
  }
  .channel {
    display: grid;
    place-items: center;
    flex: none;
    width: 2.2em;
    height: 2.2em;
    border-radius: calc(var(--radius) * 0.9);
    background: var(--accent-ground);
    color: var(--accent);
  }
  .who {
    flex: 1;
    min-width: 0;
  }
  h4 {
    font-size: 1em;
    overflow-wrap: anywhere;
  }
  .who h4,
  .title {
    display: -webkit-box;
    overflow: hidden;
    line-height: 1.3;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 3;
  }
  .number:not(:empty) {
    flex: none;
    min-width: 1.5em;
    padding: 0 0.3em;
    border: 1px solid var(--line);
    border-radius: 5px;
    color: var(--faint);
    font-size: 0.8em;
    text-align: center;
  }
  .clock {
    flex: none;
    color: var(--faint);
    font-size: 0.95em;
    font-variant-numeric: tabular-nums;
  }
  .card progress {
    order: -1;
    position: absolute;
    inset-block-start: 0;
    inset-inline: 0;
    width: 100%;
    height: 3px;
    border: 0;
    background: transparent;
    appearance: none;
  }
  progress::-webkit-progress-bar {
    background: transparent;
  }
  progress::-webkit-progress-value {
    background: var(--accent);
    opacity: 0.55;
  }
  progress::-moz-progress-bar {
    background: var(--accent);
    opacity: 0.55;
  }
  .card.urgent {
    border-color: var(--alarm);
  }
  .urgent progress {
    height: 4px;
  }
  .urgent progress::-webkit-progress-value {
    background: var(--alarm);
    opacity: 1;
  }
  .urgent progress::-moz-progress-bar {
    background: var(--alarm);
    opacity: 1;
  }
  .urgent .clock {
    padding: 0.05em 0.45em;
    border-radius: 1em;
    background: var(--alarm-ground);
    color: var(--alarm);
    font-weight: 600;
  }
  .urgent .channel {
    background: var(--alarm-ground);
    color: var(--alarm);
  }
  .card dl {
    display: grid;
    grid-template-columns: minmax(4em, auto) minmax(0, 1fr);
    gap: 0.1em 0.75em;
    margin-top: 0.65em;
    font-size: 0.94em;
  }
  .card dt {
    max-width: 9em;
    color: var(--faint);
    overflow-wrap: anywhere;
  }
  .card dd {
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .card .foot {
    position: relative;
    margin-top: auto;
    padding-top: 0.8em;
  }
  .answers {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5em;
  }
  .answers button {
    flex: 1 1 5.5em;
    min-height: 2.4em;
    overflow-wrap: anywhere;
  }
  .answers input[type='text'] {
    flex: 1 1 100%;
    min-height: 2em;
    border-color: var(--line);
    background: var(--soft);
    font-size: 0.9em;
  }
  .accept {
    border-color: transparent;
    background: var(--accept);
    color: var(--accept-ink);
    font-weight: 600;
  }
  .accept:hover:not(:disabled) {
    border-color: transparent;
    background: color-mix(in srgb, var(--accept), black 14%);
  }
  .reject {
    border-color: var(--edge);
    background: transparent;
    color: var(--bad);
  }
  .reject:hover:not(:disabled) {
    border-color: var(--bad);
    background: var(--bad-ground);
  }
  /* Covers the reason, which is of no use any more: the card does not grow. */
  .note:not(:empty) {
    position: absolute;
    inset-block-end: 0.8em;
    inset-inline: 0.9em;
    display: grid;
    align-items: center;
    min-height: 2em;
    background: var(--card);
    color: var(--warn);
    font-size: 0.9em;
    line-height: 1.2;
  }

  /* A card that has ended keeps its place for a moment, and shows its outcome. */
  .card.over {
    border-color: var(--line);
    background: var(--soft);
    box-shadow: none;
  }
  .over h4,
  .over dd {
    color: var(--faint);
    font-weight: 400;
  }
  .over .channel {
    background: var(--quiet-ground);
    color: var(--faint);
  }
  .over progress,
  .over .clock,
  .over .number,
  .over .answers {
    visibility: hidden;
  }
  .ending {
    position: absolute;
    inset-block: 0.8em 0;
    inset-inline: 0;
    display: flex;
    align-items: flex-start;
    gap: 0.5em;
    padding-top: 0.45em;
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .ending > span {
    min-width: 0;
  }
  .ending > span::first-letter {
    text-transform: uppercase;
  }
  .ending[data-mark='good'] {
    color: var(--good);
  }

  @media (prefers-reduced-motion: no-preference) {
    .card {
      animation: desk-come 0.18s ease-out;
    }
    @keyframes desk-come {
      from {
        opacity: 0;
      }
    }
  }
`
