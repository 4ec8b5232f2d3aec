// What a page brings to its elements, which a shadow tree does not inherit; and the brand. A host page overrides the
// properties --deskbell-…, see docs/embedding.md.

import { css } from './css.js'

export const BASE = css`
  :host {
    --card: var(--deskbell-card, light-dark(#ffffff, #202833));
    --panel: var(--deskbell-background, light-dark(#ffffff, #1a212b));
    --ground: light-dark(#f4f5f7, #11161d);
    --soft: light-dark(#f3f5f8, #171e27);
    --quiet-ground: light-dark(#eceff3, #262f3b);
    --line: light-dark(#d9dde3, #323c49);
    --edge: light-dark(#cfd6df, #3a4656);
    --control-line: light-dark(#7d8896, #76859a);
    --ink: var(--deskbell-text, light-dark(#1b2430, #e6eaf0));
    --faint: var(--deskbell-muted-text, light-dark(#5b6675, #9aa6b6));
    --accent: var(--deskbell-accent, light-dark(#1f4f8f, #8ab6f5));
    --accent-ink: var(--deskbell-accent-text, light-dark(#ffffff, #0e1a2b));
    --accent-ground: light-dark(#e6eef9, #223349);
    --accept: var(--deskbell-accept, light-dark(#17693b, #23794a));
    --accept-ink: var(--deskbell-accept-text, #ffffff);
    --alarm: var(--deskbell-alarm, light-dark(#b3261e, #ff9b94));
    --alarm-ground: light-dark(#fdeceb, #3a1f22);
    --good: light-dark(#17693b, #7fd6a1);
    --bad: light-dark(#a4262c, #ff9b9b);
    --bad-ground: light-dark(#fbe9e9, #3a1c1f);
    --warn: light-dark(#8a5300, #f2c26b);
    --warn-ground: light-dark(#fdf0d8, #37290f);
    --mark: light-dark(#c3262e, #e5534b);
    --mark-ink: light-dark(#ffffff, #16090a);
    --focus: light-dark(#1f6feb, #8ab6f5);
    --radius: var(--deskbell-radius, 10px);
    --round: calc(var(--radius) * 0.7);
    --shade: 0 1px 2px rgb(20 30 45 / 0.07), 0 2px 8px rgb(20 30 45 / 0.05);
    display: block;
    min-width: 0;
    color: var(--ink);
    color-scheme: light dark;
    font: var(--deskbell-font-size, max(15px, 0.9375rem)) / 1.45
      var(--deskbell-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif);
    text-align: start;
  }
  :host([theme='light']) {
    color-scheme: light;
  }
  :host([theme='dark']) {
    color-scheme: dark;
  }
  :host([hidden]) {
    display: none;
  }

  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  [hidden] {
    display: none !important;
  }
  h2,
  h3,
  h4,
  p,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ul {
    list-style: none;
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .small {
    color: var(--faint);
    font-size: 0.85em;
    overflow-wrap: anywhere;
  }
  .empty {
    padding: 0.35em 0;
    color: var(--faint);
  }
  ul:not(:empty) + .empty {
    display: none;
  }
  .picture {
    flex: none;
    width: 1.25em;
    height: 1.25em;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.8;
    stroke-linejoin: round;
    stroke-linecap: round;
  }

  button,
  input {
    color: inherit;
    font: inherit;
  }
  button {
    padding: 0.4em 0.9em;
    border: 1px solid var(--line);
    border-radius: var(--round);
    background: var(--quiet-ground);
    cursor: pointer;
  }
  button:hover:not(:disabled) {
    border-color: var(--faint);
  }
  button:disabled {
    opacity: 0.55;
    cursor: default;
  }
  button.quiet {
    min-height: max(1.9em, 24px);
    padding: 0.15em 0.65em;
    font-size: 0.9em;
  }
  input[type='text'],
  input[type='search'] {
    width: 100%;
    min-width: 0;
    padding: 0.35em 0.5em;
    border: 1px solid var(--control-line);
    border-radius: var(--round);
    background: var(--ground);
  }
  ::placeholder {
    color: var(--faint);
    opacity: 1;
  }
  label,
  summary {
    cursor: pointer;
  }
  [aria-disabled='true'] {
    opacity: 0.6;
    cursor: default;
  }
  kbd {
    padding: 0.05em 0.4em;
    border: 1px solid var(--line);
    border-bottom-width: 2px;
    border-radius: 5px;
    background: var(--ground);
    color: var(--ink);
    font: inherit;
    font-size: 0.9em;
  }

  @media (prefers-reduced-motion: reduce) {
    * {
      animation: none !important;
      transition: none !important;
    }
  }
`
