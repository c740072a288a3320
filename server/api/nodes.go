package api

func (a *API) addNodes() {}

func (a *API) addJobs() {}
