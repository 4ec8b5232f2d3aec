// The line of warnings, and the controls of the sound.

import { css } from './css.js'

export const ALARMS = css`
  .sound {
    display: grid;
    gap: 0.6em;
  }
  .mute {
    display: flex;
    gap: 0.4em;
    align-items: center;
    justify-content: center;
  }
  .mute[aria-pressed='true'] {
    border-color: var(--warn);
    background: var(--warn-ground);
    color: var(--warn);
  }
  .volume {
    width: 100%;
    min-width: 8em;
    min-height: 1.75em;
    margin: 0;
    accent-color: var(--accent);
  }

  .preflight {
    position: relative;
    display: flex;
    align-items: center;
    gap: 0.3em 0.6em;
    color: var(--faint);
  }
  .preflight[data-state='warn'] {
    color: var(--warn);
  }
  .preflight .words {
    display: -webkit-box;
    flex: 0 1 auto;
    min-width: 0;
    overflow: hidden;
    line-height: 1.25;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 2;
  }
  .preflight button,
  .preflight summary {
    flex: none;
    color: inherit;
  }
  .preflight button {
    max-width: 45cqi;
    color: var(--ink);
  }
  .lamp {
    flex: none;
    width: 0.6em;
    height: 0.6em;
    border-radius: 50%;
    background: var(--good);
  }
  .preflight[data-state='warn'] .lamp {
    border-radius: 2px;
    background: var(--warn);
    rotate: 45deg;
  }
  .preflight details {
    flex: none;
  }
  .preflight summary {
    min-width: 24px;
    min-height: 24px;
    padding: 0.3em;
    border-radius: var(--round);
    text-decoration: underline;
    text-underline-offset: 0.2em;
    list-style: none;
  }
  .preflight summary::-webkit-details-marker {
    display: none;
  }
  .preflight ul {
    inset-inline: 0 auto;
    width: min(32em, 100%);
  }
  .preflight li {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.3em 0.6em;
  }
  .preflight li > span {
    flex: 1 1 10em;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  .preflight li .picture {
    width: 1em;
    height: 1em;
    color: var(--warn);
  }

  @container (max-width: 34em) {
    .preflight .words {
      -webkit-line-clamp: 3;
    }
    .preflight {
      flex-wrap: wrap;
    }
    .preflight .words {
      flex: 1 1 calc(100% - 2em);
    }
    .preflight .lamp {
      align-self: start;
      margin-top: 0.4em;
    }
  }
`
