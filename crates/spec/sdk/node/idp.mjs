// A real OpenID Connect provider (npm oidc-provider) for the spec. Whoever is named by `login_hint` signs in without a form:
// `subject~email~verified~name`. Any redirect address is fine here: checking it is what Palisade's own server is tested for.
import http from 'node:http'
import Provider from 'oidc-provider'

const listener = http.createServer()
listener.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${listener.address().port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'palisade',
        client_secret: 'a-secret-that-only-both-know',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        client_id: 'somebody-else',
        client_secret: 'another-secret-entirely',
        redirect_uris: ['http://127.0.0.1/callback'],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    claims: { openid: ['sub', 'groups', 'other'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => {
      const [, email, verified, name] = id.split('~')
      const claims = { sub: id.split('~')[0], email, name, groups: ['staff', 'night-shift'], other: 'never-kept' }
      if (verified === 'true' || verified === 'false') claims.email_verified = verified === 'true'
      else if (verified) claims.email_verified = verified
      return { accountId: id, claims: () => claims }
    },
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      })
      grant.addOIDCScope('openid email profile offline_access')
      await grant.save()
      return grant
    },
  })
  provider.Client.prototype.redirectUriAllowed = () => true
  const serve = provider.callback()
  listener.on('request', async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return serve(request, response)
    const { params } = await provider.interactionDetails(request, response)
    const denied = { error: 'access_denied', error_description: 'the person said no' }
    const result = params.login_hint === 'nobody' ? denied : { login: { accountId: params.login_hint } }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
  })
  console.log(`ready ${issuer}`)
})
