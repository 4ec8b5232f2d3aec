// A network with faults: WebSocket classes with sockets that can be cut, silenced, or given false messages.

/**
 * A line of its own for one client. Give `line.WebSocket` to it.
 */
export function brokenLine() {
  const line = {
    /** how many sockets were made */ made: 0,
    /** how many of them lived at the same time at most */ mostAtOnce: 0,
    /** everything that the client sent */ sent: [],
    /** what of the hub's messages gets through; by default all */ lets: () => true,
    /** answers a message of the client instead of the hub, if it returns one */ answers: (_message) => undefined,
    /** no message passes any more, and neither side notices */ deaf: false,
    /** no socket opens */ down: false,
    /** @type {Set<any>} */ alive: new Set(),
    /** Cuts what lives, as if the hub had closed with that code. */
    cut(code = 1006, reason = '') {
      for (const socket of [...line.alive]) socket.cut(code, reason)
    },
  }

  line.WebSocket = class {
    onopen = null
    onmessage = null
    onclose = null
    onerror = null
    #inner
    #closed = false

    constructor(url, protocols) {
      line.made++
      line.alive.add(this)
      line.mostAtOnce = Math.max(line.mostAtOnce, line.alive.size)
      if (line.down) {
        setTimeout(() => this.cut(1006, ''))
        return
      }
      this.#inner = new WebSocket(url, protocols)
      this.#inner.onopen = () => this.onopen?.({})
      this.#inner.onclose = ({ code, reason }) => this.#ended(code, reason)
      this.#inner.onmessage = ({ data }) => {
        const message = JSON.parse(data)
        if (!line.deaf && line.lets(message)) this.onmessage?.({ data })
      }
    }

    send(text) {
      const message = JSON.parse(text)
      line.sent.push(message)
      if (line.deaf) return
      const answer = line.answers(message)
      if (answer) queueMicrotask(() => this.onmessage?.({ data: JSON.stringify({ id: message.id, ...answer }) }))
      else this.#inner.send(text)
    }

    close() {
      line.alive.delete(this)
      this.#closed = true
      this.#inner?.close()
    }

    cut(code, reason) {
      this.#inner?.close()
      this.#ended(code, reason)
    }

    #ended(code, reason) {
      line.alive.delete(this)
      if (this.#closed) return
      this.#closed = true
      this.onclose?.({ code, reason })
    }
  }
  return line
}
