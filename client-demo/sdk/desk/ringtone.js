// The ring: two strikes of a bell, made here of sines, repeated until somebody answers.

const LENGTH_S = 3.2
/** When it is struck, in seconds, how high in hertz, and how hard. */
const STRIKES = [
  [0, 784, 1],
  [0.42, 622.25, 0.85],
]
/** Of each strike: the multiple of its pitch, how loud, how fast it dies away. */
const PARTIALS = [
  [1, 1, 3.4],
  [2.004, 0.32, 5.5],
  [3.01, 0.16, 8],
  [5.2, 0.05, 13],
]
const ATTACK_S = 0.006

export class Ringtone {
  #context
  #gain
  #looping

  /** @param {() => void} changed told when the browser allows sound, or no longer */
  constructor(changed) {
    const { AudioContext } = globalThis
    if (!AudioContext) return
    try {
      this.#context = new AudioContext()
    } catch {
      return
    }
    this.#gain = this.#context.createGain()
    this.#gain.connect(this.#context.destination)
    this.#context.addEventListener('statechange', changed)
    // A browser keeps a page silent until someone has touched it.
    for (const type of ['pointerdown', 'keydown']) document.addEventListener(type, () => this.unlock(), true)
  }

  /** Whether a ring would be heard: `none` where there is no sound at all. @returns {'ready' | 'blocked' | 'none'} */
  get state() {
    if (!this.#context) return 'none'
    return this.#context.state === 'running' ? 'ready' : 'blocked'
  }

  get rings() {
    return Boolean(this.#looping)
  }

  unlock() {
    if (this.state === 'blocked') this.#context.resume().catch(() => {})
  }

  /** @param {number} volume 0 to 1 */
  set volume(volume) {
    // Loudness is heard by powers.
    if (this.#gain) this.#gain.gain.value = volume ** 2
  }

  start() {
    if (this.#looping || this.state !== 'ready') return
    this.#looping = this.#play(true)
  }

  stop() {
    this.#looping?.stop()
    this.#looping = undefined
  }

  once() {
    this.unlock()
    if (this.#context && !this.#looping) this.#play(false)
  }

  #play(loop) {
    const source = this.#context.createBufferSource()
    source.buffer = this.#bell()
    // A loop needs no timers, which a browser slows down in pages that nobody looks at.
    source.loop = loop
    source.connect(this.#gain)
    source.start()
    return source
  }

  #bell() {
    const rate = this.#context.sampleRate
    const buffer = this.#context.createBuffer(1, Math.round(LENGTH_S * rate), rate)
    const samples = buffer.getChannelData(0)
    for (const [begin, pitch, force] of STRIKES) {
      for (let n = Math.round(begin * rate); n < samples.length; n++) {
        const t = n / rate - begin
        let sum = 0
        for (const [multiple, loudness, decay] of PARTIALS)
          sum += loudness * Math.exp(-decay * t) * Math.sin(2 * Math.PI * pitch * multiple * t)
        samples[n] += 0.4 * force * Math.min(1, t / ATTACK_S) * sum
      }
    }
    return buffer
  }
}
