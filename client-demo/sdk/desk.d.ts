/** The types of desk.js: the agent's desk as an element. docs/embedding.md explains it. */

import type { Agent, Notification, Session, StateChange } from './deskbell.js'

/** A notification that is over. */
export interface EndedNotification {
  /** Its notificationId. */
  id: string
  title: string
  /** Whether this agent has taken it. */
  taken: boolean
  /** Whether nobody answered it in time at this desk. */
  missed: boolean
  /** When it ended, in milliseconds since 1970, by the hub's clock. */
  at: number
}

export interface DeskbellDeskEventMap {
  /** Before an accept is sent to the hub. `preventDefault()` stops it. */
  accept: CustomEvent<{ notification: Notification }>
  /** A session began, or is told again, with what is new. */
  session: CustomEvent<{ session: Session }>
  sessionended: CustomEvent<{ sessionId: string }>
  /** A notification ended here because nobody answered it in time. */
  missed: CustomEvent<EndedNotification>
  connection: CustomEvent<StateChange>
  /** `summary` may have changed. Does not bubble. */
  update: Event
}

export class DeskbellDesk extends HTMLElement {
  /** The hub's address; default: the hub that served this module. */
  hub: string
  /** The agent's id, for a hub without authentication. */
  agent: string
  /** Comma-separated, for a hub without authentication. */
  groups: string
  /** A JWT, or a function that gets one. It is never written to an attribute. */
  token: string | (() => string | Promise<string>) | undefined
  /** A language tag; default: the `lang` of the page, then the browser's languages. */
  language: string
  theme: '' | 'light' | 'dark'
  layout: '' | 'full' | 'panel' | 'bar'
  /** Without ring and desktop notifications. */
  silent: boolean
  /** `page`: shortcuts work on the whole page; default: only while the focus is in the desk. */
  shortcuts: '' | 'page'
  /** The address of a service worker of this page that handles clicks on desktop notifications. */
  worker: string | undefined
  /** The client of this desk's connection; nothing while the element is not on a page. */
  readonly client: Agent | undefined
  /** For a title or a badge of the page. */
  readonly summary: { name: string; ringing: number; away: boolean; offline: boolean }
  addEventListener<K extends keyof DeskbellDeskEventMap>(
    type: K,
    listener: (this: DeskbellDesk, event: DeskbellDeskEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void
}

declare global {
  interface HTMLElementTagNameMap {
    'deskbell-desk': DeskbellDesk
  }
}
