// The sounds of the desk, computed here from sines: a ring that repeats until somebody answers, and a short sign for a
// breach. A ring starts softly.

const LENGTH_S = 3.2
const ATTACK_S = 0.006
/** A ring begins with this part of its loudness, and reaches all of it after this time. */
const SOFT = 0.25
const SOFT_S = 6

/**
 * When each tone is struck, in seconds, its pitch in hertz, and how hard; then the partials: the multiple of the pitch,
 * how loud, and how fast it dies away.
 * @type {Record<string, { strikes: number[][], partials: number[][] }>}
 */
const SOUNDS = {
  phone: {
    strikes: [
      [0, 784, 1],
      [0.42, 622.25, 0.85],
    ],
    partials: [
      [1, 1, 3.4],
      [2.004, 0.32, 5.5],
      [3.01, 0.16, 8],
      [5.2, 0.05, 13],
    ],
  },
  chat: {
    strikes: [
      [0, 1174.66, 0.7],
      [0.13, 1567.98, 0.6],
    ],
    partials: [
      [1, 1, 7],
      [2, 0.18, 11],
    ],
  },
  soft: {
    strikes: [[0, 392, 0.8]],
    partials: [
      [1, 1, 2],
      [1.5, 0.35, 2.6],
      [2, 0.15, 4],
    ],
  },
  breach: {
    strikes: [
      [0, 440, 0.8],
      [0.18, 415.3, 0.8],
      [0.36, 440, 0.8],
    ],
    partials: [
      [1, 1, 6],
      [3, 0.3, 8],
    ],
  },
}

/** @typedef {'phone' | 'chat' | 'soft' | 'none'} Sound */
const RINGS = ['phone', 'chat', 'soft', 'none']
const BY_ICON = { phone: 'phone', video: 'phone', chat: 'chat', sms: 'chat', mail: 'soft' }

/**
 * The sound of a notification: its template's, or the host page's, or the one of its channel.
 * @param {string} preferred the host page's choice; empty: none
 * @param {string} channel the picture's name
 * @returns {Sound}
 */
export function soundOf({ sound }, preferred, channel) {
  for (const one of [sound, preferred]) if (RINGS.includes(one)) return one
  return BY_ICON[channel] ?? 'phone'
}

export class Ringtone {
  #context
  #gain
  /** @type {{ source: AudioBufferSourceNode, sound: string } | undefined} */ #ringing

  constructor(changed, signal) {
    const { AudioContext } = globalThis
    if (!AudioContext) return
    try {
      this.#context = new AudioContext()
    } catch {
      return
    }
    this.#gain = this.#context.createGain()
    this.#gain.connect(this.#context.destination)
    this.#context.addEventListener('statechange', changed, { signal })
    // A browser keeps a page silent until someone has touched it.
    for (const type of ['pointerdown', 'keydown'])
      document.addEventListener(type, () => this.unlock(), { capture: true, signal })
    signal.addEventListener('abort', () => {
      this.stop()
      this.#context.close().catch(() => {})
    })
  }

  /** Whether a ring can be heard: `none` if there is no sound at all. @returns {'ready' | 'blocked' | 'none'} */
  get state() {
    if (!this.#context) return 'none'
    return this.#context.state === 'running' ? 'ready' : 'blocked'
  }

  /** What rings; empty: nothing. */
  get sound() {
    return this.#ringing?.sound ?? ''
  }

  unlock() {
    if (this.state === 'blocked') this.#context.resume().catch(() => {})
  }

  set volume(volume) {
    // People hear loudness by powers.
    if (this.#gain) this.#gain.gain.value = volume ** 2
  }

  ring(sound) {
    if (this.sound === sound || this.state !== 'ready') return
    this.stop()
    const soft = this.#context.createGain()
    const now = this.#context.currentTime
    soft.gain.setValueAtTime(SOFT, now)
    soft.gain.linearRampToValueAtTime(1, now + SOFT_S)
    soft.connect(this.#gain)
    this.#ringing = { source: this.#play(sound, true, soft), sound }
  }

  stop() {
    this.#ringing?.source.stop()
    this.#ringing = undefined
  }

  once(sound) {
    this.unlock()
    if (this.#context && !this.#ringing) this.#play(sound, false, this.#gain)
  }

  #play(sound, loop, to) {
    const source = this.#context.createBufferSource()
    source.buffer = this.#samples(sound)
    // A loop needs no timers, which browsers slow down in background tabs.
    source.loop = loop
    source.connect(to)
    source.start()
    return source
  }

  #samples(sound) {
    const { strikes, partials } = SOUNDS[sound] ?? SOUNDS.phone
    const rate = this.#context.sampleRate
    const buffer = this.#context.createBuffer(1, Math.round(LENGTH_S * rate), rate)
    const samples = buffer.getChannelData(0)
    for (const [begin, pitch, force] of strikes) {
      for (let n = Math.round(begin * rate); n < samples.length; n++) {
        const t = n / rate - begin
        let sum = 0
        for (const [multiple, loudness, decay] of partials)
          sum += loudness * Math.exp(-decay * t) * Math.sin(2 * Math.PI * pitch * multiple * t)
        samples[n] += 0.4 * force * Math.min(1, t / ATTACK_S) * sum
      }
    }
    return buffer
  }
}
