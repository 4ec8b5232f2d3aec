// An agent's desk on a page of the hub.

import '../sdk/desk.js'
import { element } from '../sdk/desk/dom.js'

/**
 * Puts a desk into `place`.
 * @param {HTMLElement} place
 * @param {{ agentId?: string, token?: string | (() => Promise<string>), attributes?: Record<string, any>,
 *   worker?: string, onMessage?: (who: string, event: any) => void }} options with a token, the token names the agent
 * @returns {import('../sdk/desk.js').DeskbellDesk}
 */
export function mountDesk(place, { agentId, token, attributes = {}, worker, onMessage }) {
  const desk = element('deskbell-desk', { agent: token ? undefined : agentId, ...attributes })
  desk.token = token
  desk.worker = worker
  place.replaceChildren(desk)
  if (onMessage) desk.client.on('message', (event) => onMessage(desk.client?.agentId ?? agentId ?? 'new agent', event))
  return desk
}
