import { mountDashboard } from './dashboard.js'
import { mountWithToken } from './token-form.js'

const place = document.getElementById('dashboard')
mountWithToken(place, 'observer', (token) => mountDashboard(place, { token }))
