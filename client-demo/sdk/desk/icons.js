// The desk's pictures: strokes on a grid of 24, in the colour of the text around them.

const PATHS = {
  chat: ['M4 5.5h16v11h-9l-4.5 4v-4H4z', 'M8.5 11h.01M12 11h.01M15.5 11h.01'],
  phone: ['M6.6 3.5 9.7 8 7.8 10.2c1.2 2.6 3.3 4.7 6 6l2.2-1.9 4.5 3-1.2 3.2c-7.9.3-15.8-7.6-15.6-15.6z'],
  sms: ['M7 2.8h10v18.4H7z', 'M9.8 6.5h4.4M9.8 9.5h4.4M9.8 12.5h2.6', 'M12 18.3h.01'],
  mail: ['M3 5.5h18v13H3z', 'M3.4 6.2 12 13l8.6-6.8'],
  video: ['M3 6.5h12v11H3z', 'M15 11l6-3.5v9L15 13z'],
  person: ['M12 4a3.8 3.8 0 1 0 .01 0z', 'M4.5 20.5a7.5 7.5 0 0 1 15 0z'],
  bell: ['M5.5 17V11a6.5 6.5 0 0 1 13 0v6l1.5 1.5H4z', 'M10 21.2h4M12 4.5V2.8'],
  sound: ['M4 9.5h3.5L12 5.5v13l-4.5-4H4z', 'M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11'],
  muted: ['M4 9.5h3.5L12 5.5v13l-4.5-4H4z', 'M16 9.7l4.6 4.6M20.6 9.7 16 14.3'],
  good: ['M4.5 12.5 10 18 19.5 6.5'],
  warn: ['M12 3.5 21.5 20h-19z', 'M12 9.5v5M12 17.3h.01'],
  settings: ['M4 7h9M19 7h1M4 12h3M13 12h7M4 17h11M19.5 17h.5', 'M16 5v4M10 10v4M17.2 15v4'],
  more: ['M7 10l5 5 5-5'],
  external: ['M13.5 4.5h6v6M19.5 4.5 11 13', 'M17.5 13.5v6h-13v-13h6'],
  gone: ['M5.5 5.5l13 13M18.5 5.5l-13 13'],
}
const ALIASES = {
  call: 'phone',
  voice: 'phone',
  telephone: 'phone',
  message: 'chat',
  text: 'sms',
  whatsapp: 'chat',
  email: 'mail',
  letter: 'mail',
}
const CHANNELS = {
  chat: 'channel.chat',
  phone: 'channel.phone',
  sms: 'channel.sms',
  mail: 'channel.mail',
  video: 'channel.video',
}

/** A picture by its name; the bell for a name that is not known here. */
export function picture(name = 'bell') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  for (const [key, value] of [
    ['viewBox', '0 0 24 24'],
    ['aria-hidden', 'true'],
    ['class', 'picture'],
  ])
    svg.setAttribute(key, value)
  for (const d of PATHS[pictureName(name)]) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    path.setAttribute('d', d)
    svg.append(path)
  }
  return svg
}

/** The key of the channel's name, by a template's icon; nothing for an icon that is not known here. */
export function channelOf(name = '') {
  const channel = pictureName(name)
  return Object.hasOwn(CHANNELS, channel) ? CHANNELS[channel] : undefined
}

/** The name of the picture that stands for an icon. */
export function pictureName(name = '') {
  const plain = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name
  return Object.hasOwn(PATHS, plain) ? plain : 'bell'
}
